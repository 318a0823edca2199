// The error summary takes the focus when the page comes back, and its links bring you into the field.
export default function start(element) {
  element.focus({ preventScroll: false });
  element.addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="#"]');
    const field = link && document.getElementById(link.getAttribute("href").slice(1));
    if (!field) return;
    event.preventDefault();
    const target = field.matches("fieldset") ? field.querySelector("input, select, textarea") ?? field : field;
    (field.matches("fieldset") ? field : field.closest(".field") ?? field).scrollIntoView({ block: "start" });
    target.focus({ preventScroll: true });
  });
}
