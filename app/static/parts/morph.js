// Three-way change of a page: what the server said before, what it says now, and what stands on the page (which the
// visitor and other parts have changed since). Only the difference between the two sayings is carried over.
// `changes` lists what is to be done, so that the caller can look at it first: {at, replaces, make()}.

export function changes(live, before, after, list = []) {
  const [alive, old, next] = [live, before, after].map((node) => [...node.childNodes]);
  if (alive.length !== old.length) { // another part has rebuilt this: only the whole can be put in
    if (!before.isEqualNode(after)) list.push({ at: live, replaces: true, make: () => live.replaceChildren(...copies(next)) });
    return list;
  }
  const [first, last] = [equalFromStart(old, next), equalFromEnd(old, next)];
  const paired = Math.min(old.length, next.length) - last;
  for (let place = first; place < paired; place += 1) changeOne(alive[place], old[place], next[place], list);
  const from = Math.max(first, paired);
  for (const gone of alive.slice(from, old.length - last)) list.push({ at: gone, replaces: true, make: () => gone.remove() });
  const added = next.slice(from, next.length - last);
  if (added.length) {
    const behind = alive[old.length - last] ?? null;
    list.push({ at: live, replaces: false, make: () => copies(added).forEach((node) => live.insertBefore(node, behind)) });
  }
  return list;
}

function changeOne(live, old, next, list) {
  if (old.isEqualNode(next)) return;
  const sameKind = old.nodeType === next.nodeType && old.nodeName === next.nodeName && live.nodeName === old.nodeName;
  if (sameKind && old.nodeType !== 1) list.push({ at: live, replaces: false, make: () => { live.data = next.data; } });
  else if (!sameKind || old.id !== next.id || old.dataset.part || next.dataset.part || isControl(next)) {
    list.push({ at: live, replaces: true, make: () => live.replaceWith(next.cloneNode(true)) });
  } else {
    list.push({ at: live, replaces: false, make: () => sameAttributes(live, old, next) });
    changes(live, old, next, list);
  }
}

function isControl(element) {
  return element.matches("a, button, input, select, textarea, summary");
}

function sameAttributes(live, old, next) {
  for (const { name, value } of next.attributes) if (old.getAttribute(name) !== value) live.setAttribute(name, value);
  for (const { name } of old.attributes) if (!next.hasAttribute(name)) live.removeAttribute(name);
}

function equalFromStart(old, next) {
  let count = 0;
  while (count < old.length && count < next.length && old[count].isEqualNode(next[count])) count += 1;
  return count;
}

function equalFromEnd(old, next) {
  const most = Math.min(old.length, next.length) - equalFromStart(old, next);
  let count = 0;
  while (count < most && old[old.length - 1 - count].isEqualNode(next[next.length - 1 - count])) count += 1;
  return count;
}

function copies(nodes) {
  return nodes.map((node) => node.cloneNode(true));
}
