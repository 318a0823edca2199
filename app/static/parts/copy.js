// A button that copies a fingerprint; it shows itself only where copying works.
export default function start(element, clipboard = globalThis.navigator?.clipboard) {
  if (!clipboard) return;
  element.hidden = false;
  const words = element.firstChild.textContent;
  element.addEventListener("click", async () => {
    await clipboard.writeText(element.dataset.copy);
    element.firstChild.textContent = element.dataset.copied;
    const status = document.getElementById("status");
    if (status) status.textContent = element.dataset.copied;
    setTimeout(() => { element.firstChild.textContent = words; }, 2000);
  });
}
