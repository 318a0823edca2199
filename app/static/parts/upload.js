// A large file travels in pieces (tus 1.0) and goes on where it stopped: after a cut, a restart, or tomorrow.
// The element gives the address; the finished upload's address is put in the form's hidden field, and the file
// itself is then not sent a second time with the form.
import { sizeInWords } from "./chosen-file.js";

const PIECE = 4 * 1024 * 1024; // bytes; what may have to be sent again after a cut
const PAUSES = [0, 500, 1000, 2000, 4000, 8000, 15000, 30000]; // milliseconds before each new try

let library = null;

/** tus-js-client, loaded when the first file is chosen. */
function tus(address) {
  library ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = address;
    script.onload = () => resolve(globalThis.tus);
    script.onerror = reject;
    document.head.append(script);
  });
  return library;
}

export function fill(words, facts) {
  return words.replace(/\{(\w+)\}/g, (all, name) => facts[name] ?? all);
}

/** Percent, rounded down so that 100 is only said when everything has arrived. */
export function percentOf(done, all) {
  return all ? Math.floor((done / all) * 100) : 0;
}

export default function start(element, { load = () => tus(element.dataset.library) } = {}) {
  const input = element.querySelector("input[type=file]");
  const result = element.querySelector("[data-upload-result]");
  const box = element.querySelector("[data-upload-progress]");
  const bar = box.querySelector("progress");
  const pause = element.querySelector("[data-upload-pause]");
  const said = element.querySelector("[data-upload-words]");
  const words = (name, facts = {}) => fill(element.dataset[`words${name}`], facts);
  const limit = Number(element.dataset.limit || 0);
  let upload = null;
  let running = false;
  let tenth = -1;

  function show(done, all) {
    const percent = percentOf(done, all);
    bar.value = percent;
    if (Math.floor(percent / 10) !== tenth) { // a screen reader hears ten steps, not a hundred
      tenth = Math.floor(percent / 10);
      said.textContent = words("Sending", { done: sizeInWords(done), all: sizeInWords(all), percent });
    }
  }

  function run(on) {
    running = on;
    pause.textContent = words(on ? "Pause" : "Resume");
    element.classList.toggle("is-sending", on);
  }

  async function send(file) {
    upload?.abort();
    if (result) result.value = "";
    if (limit && file.size > limit) {
      input.value = "";
      said.textContent = words("Large", { limit: sizeInWords(limit) });
      return;
    }
    const { Upload } = await load();
    tenth = -1;
    upload = new Upload(file, {
      endpoint: element.dataset.address,
      chunkSize: PIECE,
      retryDelays: PAUSES,
      removeFingerprintOnSuccess: true,
      metadata: { filename: file.name, filetype: file.type },
      headers: csrf(element),
      onProgress: show,
      onShouldRetry: () => {
        said.textContent = words("Retry");
        return true;
      },
      onError: () => {
        run(false);
        said.textContent = words("Failed");
      },
      onSuccess: () => {
        run(false);
        box.hidden = true;
        said.textContent = words("Done", { name: file.name, all: sizeInWords(file.size) });
        element.classList.add("is-done");
        if (result) {
          result.value = new URL(upload.url, location.href).pathname;
          input.removeAttribute("name"); // it has arrived already
        }
        element.dispatchEvent(new CustomEvent("uploaded", { bubbles: true, detail: { address: upload.url, name: file.name, bytes: file.size } }));
      },
    });
    const [earlier] = await upload.findPreviousUploads();
    if (earlier) upload.resumeFromPreviousUpload(earlier);
    box.hidden = false;
    run(true);
    show(0, file.size);
    upload.start();
  }

  input.addEventListener("change", () => input.files[0] && send(input.files[0]));
  pause.addEventListener("click", async () => {
    if (!upload) return;
    if (running) {
      run(false);
      await upload.abort();
      said.textContent = words("Paused");
    } else {
      run(true);
      upload.start();
    }
  });
  element.closest("form")?.addEventListener("submit", (event) => {
    if (!running) return;
    event.preventDefault();
    said.focus?.();
    said.scrollIntoView({ block: "center" });
  });
  globalThis.addEventListener?.("beforeunload", (event) => running && event.preventDefault());
}

/** The mark against forged requests, as every form carries it. */
function csrf(element) {
  const token = element.closest("form")?.querySelector("input[name=csrf_token]")?.value;
  return token ? { "X-CSRFToken": token } : {};
}
