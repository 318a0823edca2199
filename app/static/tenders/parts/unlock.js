// The rescue file is opened here, on the bidder's own computer, and its key put into the form. Neither the file nor
// its passphrase is ever sent: their fields stand outside the form and have no name on the wire.
import { scrypt } from "./scrypt.js";

const COST = { n: 131072, r: 8, p: 1 };
const LARGEST = 4096; // characters

export class NotRescued extends Error {}

export function unhex(text) {
  if (!/^(?:[0-9a-f]{2})*$/.test(text)) throw new NotRescued("not hex");
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** What a rescue file holds: {kb, params, lot, bidder, seq, …}. Throws NotRescued for everything that is not right. */
export async function openRescue(text, passphrase, cost = COST) {
  let outer;
  try {
    outer = JSON.parse(text.length <= LARGEST ? text : "");
  } catch {
    throw new NotRescued("not JSON");
  }
  if (outer?.v !== 2 || outer.kdf !== "scrypt" || outer.n !== cost.n || outer.r !== cost.r || outer.p !== cost.p) {
    throw new NotRescued("not a rescue file");
  }
  const typed = new TextEncoder().encode(passphrase.normalize("NFC"));
  const raw = await scrypt(typed, unhex(outer.salt), outer.n, outer.r, outer.p, 32);
  const key = await crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["decrypt"]);
  try {
    const form = { name: "AES-GCM", iv: unhex(outer.nonce), additionalData: unhex(outer.ctx) };
    const inner = JSON.parse(new TextDecoder().decode(await crypto.subtle.decrypt(form, key, unhex(outer.ct))));
    if (inner.ctx !== outer.ctx || unhex(inner.kb).length !== 32) throw new NotRescued("not a rescue file");
    return inner;
  } catch {
    throw new NotRescued("another passphrase, or a changed file");
  }
}

export default function start(element, { open = openRescue } = {}) {
  const file = element.querySelector("input[type=file]");
  const passphrase = element.querySelector("input[type=password]");
  const button = element.querySelector("[data-unlock-open]");
  const said = element.querySelector("[data-unlock-words]");
  const target = document.querySelector("#field-kb");
  for (const input of [file, passphrase]) input.removeAttribute("name");
  element.hidden = false;

  button.addEventListener("click", async () => {
    if (!file.files[0]) return file.focus();
    button.disabled = true;
    said.textContent = element.dataset.wordsWorking;
    try {
      const found = await open(await file.files[0].text(), passphrase.value);
      const right = found.params === element.dataset.params && String(found.seq) === element.dataset.seq;
      if (right) target.value = found.kb;
      said.textContent = right ? element.dataset.wordsDone : element.dataset.wordsOther;
      if (right) target.focus();
    } catch {
      said.textContent = element.dataset.wordsWrong;
    }
    passphrase.value = "";
    button.disabled = false;
  });
}
