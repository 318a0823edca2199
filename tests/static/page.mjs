// Just enough of a page for the parts: elements with attributes, listeners and children, no browser.
export class Element {
  constructor(tag = "div", dataset = {}) {
    Object.assign(this, { tag, dataset, children: [], listeners: {}, hidden: false, attributes: {}, isConnected: true, textContent: "" });
    const names = new Set();
    this.classList = {
      add: (name) => names.add(name),
      remove: (name) => names.delete(name),
      toggle: (name, on) => (on ? names.add(name) : names.delete(name)),
      contains: (name) => names.has(name),
    };
  }

  get firstChild() { return this.children[0]; }
  append(child) { this.children.push(child); }
  after(child) { this.next = child; }
  setAttribute(name, value) { this.attributes[name] = value; }
  removeAttribute(name) { delete this.attributes[name]; }
  addEventListener(kind, listener) { (this.listeners[kind] ??= []).push(listener); }
  async fire(kind, event = {}) { for (const listener of this.listeners[kind] ?? []) await listener(event); }
  dispatchEvent(event) { (this.events ??= []).push(event); }
  closest() { return null; }
  contains() { return false; }
  matches(selector) { return selector === this.tag; }
  querySelector(selector) { return this.parts?.[selector] ?? null; }
  querySelectorAll() { return []; }
  focus() { this.focused = true; }
  scrollIntoView() { this.seen = true; }
}

/** A page whose only element with an id is the status line. */
export function openPage(language = "zh-CN") {
  const status = new Element();
  const listeners = {};
  globalThis.document = {
    status, hidden: false, activeElement: null, documentElement: { lang: language },
    getElementById: (id) => (id === "status" ? status : globalThis.document.byId?.[id] ?? null),
    createElement: (tag) => new Element(tag),
    addEventListener: (kind, listener) => (listeners[kind] ??= []).push(listener),
    fire: (kind) => (listeners[kind] ?? []).forEach((listener) => listener()),
  };
  return globalThis.document;
}

/** Timers that run only when told: `later(f, ms)` and `await run()` for the next one. */
export function timers() {
  const waiting = [];
  const later = (act, pause) => waiting.push({ act, pause }) && waiting.at(-1);
  const forget = (timer) => waiting.includes(timer) && waiting.splice(waiting.indexOf(timer), 1);
  const run = async () => {
    const { act, pause } = waiting.shift();
    await act();
    return pause;
  };
  return { later, forget, run, waiting };
}
