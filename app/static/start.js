// Behaviour is asked for by the element: <x data-part="countdown"> loads parts/countdown.js and starts it there.
// A room's own part names its folder: data-part="evaluation:room" loads /static/evaluation/parts/room.js,
// or whatever the element gives as data-part-address. What is swapped in later starts as well.
const started = new WeakMap();

export function addressOf(element, name, base = import.meta.url) {
  if (element.dataset.partAddress) return new URL(element.dataset.partAddress, base).href;
  const [room, part] = name.includes(":") ? name.split(":") : ["", name];
  return new URL(room ? `./${room}/parts/${part}.js` : `./parts/${part}.js`, base).href;
}

async function startOne(element, name) {
  const names = started.get(element) ?? new Set();
  if (names.has(name)) return;
  started.set(element, names.add(name));
  try {
    const { default: start } = await import(addressOf(element, name));
    start(element);
  } catch (problem) {
    console.error(`part ${name} did not start`, problem); // the page works without it
  }
}

export function startAll(root) {
  const elements = [...(root.matches?.("[data-part]") ? [root] : []), ...root.querySelectorAll("[data-part]")];
  for (const element of elements) {
    for (const name of element.dataset.part.split(/\s+/).filter(Boolean)) startOne(element, name);
  }
}

if (typeof document !== "undefined") {
  startAll(document);
  new MutationObserver((changes) => {
    for (const change of changes) {
      for (const node of change.addedNodes) if (node.nodeType === 1) startAll(node);
    }
  }).observe(document.body, { childList: true, subtree: true });
}
