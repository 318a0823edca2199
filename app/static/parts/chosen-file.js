// Says below a file field what was chosen and how large it is.
const UNITS = ["B", "KB", "MB", "GB"];

export function sizeInWords(bytes) {
  let size = bytes;
  let unit = 0;
  while (size >= 1024 && unit < UNITS.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit && size < 10 ? size.toFixed(1) : Math.round(size)} ${UNITS[unit]}`;
}

export default function start(element) {
  const words = document.createElement("p");
  words.className = "upload-words";
  words.setAttribute("role", "status");
  element.after(words);
  element.addEventListener("change", () => {
    words.textContent = [...element.files].map((file) => `${file.name} · ${sizeInWords(file.size)}`).join("\n");
  });
}
