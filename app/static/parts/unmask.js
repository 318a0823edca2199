// The name appears: calmly, and at once for those who want no motion (the style sheet sees to that). The text is in
// the page from the start, so it is there without scripts and for screen readers. Only a name that has just come
// moves: one that a live region brings, or that another part marks with data-fresh; a record read later stands still.
export default function start(element) {
  if ("fresh" in element.dataset) element.classList.add("is-fresh");
}

/** Mark the names in new markup that the region did not show before. */
export function markFresh(region, fresh) {
  const known = new Set([...region.querySelectorAll(".unmask")].map((element) => element.textContent.trim()));
  for (const element of fresh.querySelectorAll(".unmask")) {
    if (!known.has(element.textContent.trim())) element.classList.add("is-fresh");
  }
}
