// Contributing to the seed: 32 bytes are made and sealed to the key holders on this device, and kept nowhere.
import { contribute } from "../sealing.js";

export default function start(element, { seal = contribute, later = setTimeout } = {}) {
  if (!globalThis.crypto?.subtle) return;
  const form = element.querySelector("form");
  const field = form.querySelector('[name="box"]');
  field.required = false;
  element.querySelector("[data-by-hand]").hidden = true;
  form.addEventListener("submit", async (event) => {
    if (field.value) return;
    event.preventDefault();
    const { params, label, seq, words } = element.dataset;
    element.querySelector("[data-told]").textContent = words;
    field.value = await seal(params, label, Number(seq));
    later(() => form.requestSubmit()); // a form that is still telling of its submission would not hear it
  });
}
