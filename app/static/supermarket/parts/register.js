// Registering: the random numbers and the withdrawal secret are made on this device; the secret is saved as a file.
// Without WebCrypto (no secure connection) the form goes as it is and the platform makes them, showing the secret once.
import { canonical, register } from "../sealing.js";

export function save(name, words, page = document) {
  const link = page.createElement("a");
  link.href = URL.createObjectURL(new Blob([words], { type: "application/json" }));
  link.download = name;
  page.body.append(link);
  link.click();
  link.remove();
}

export default function start(element, { make = register, keep = save, later = setTimeout } = {}) {
  const form = element.querySelector("form");
  if (!globalThis.crypto?.subtle) return;
  form.addEventListener("submit", async (event) => {
    const field = form.querySelector('[name="body"]');
    if (field.value) return;
    event.preventDefault();
    const { project, firm, words, file } = element.dataset;
    const { body, secret } = await make(project, firm);
    keep(file, JSON.stringify({ project, secret }));
    field.value = canonical(body);
    element.querySelector("[data-told]").textContent = words;
    later(() => form.requestSubmit()); // a form that is still telling of its submission would not hear it
  });
}
