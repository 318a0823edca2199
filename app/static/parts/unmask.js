// The name appears: calmly, and at once for those who want no motion. The text is in the page from the start,
// so it is there without scripts and for screen readers.
export default function start(element, { wantsNoMotion = matchMedia("(prefers-reduced-motion: reduce)").matches, later = setTimeout } = {}) {
  if (wantsNoMotion) return;
  element.classList.add("is-masked");
  later(() => {
    element.classList.add("is-revealing");
    element.classList.remove("is-masked");
  }, 300);
}
