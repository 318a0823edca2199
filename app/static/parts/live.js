// A region that shows itself anew: <div data-part="live" data-address="…" data-every="2">.
// It rests while the tab is hidden, slows down when the server does not answer, and never replaces what has the focus
// or what somebody has unfolded.
import { markFresh } from "./unmask.js";

export function nextPause(every, failures) {
  return Math.min(every * 2 ** failures, Math.max(30, every)) * 1000;
}

export default function start(element, { fetcher = globalThis.fetch, later = setTimeout } = {}) {
  const every = Number(element.dataset.every || 2);
  let failures = 0;
  let last = null;
  let mark = null;

  function busy() {
    return element.contains(document.activeElement) && document.activeElement !== element;
  }

  async function look() {
    if (!element.isConnected) return;
    if (!document.hidden && !busy()) {
      try {
        const headers = { "X-Part": "live", ...(mark ? { "If-None-Match": mark } : {}) };
        const answer = await fetcher(element.dataset.address, { headers, cache: "no-store" });
        if (answer.status === 204 && answer.headers.get("X-Live") === "end") return;
        if (answer.ok && answer.status === 200) {
          mark = answer.headers.get("ETag");
          const text = await answer.text();
          if (text !== last && !busy()) swap(element, text);
          last = text;
        } else if (answer.status !== 304) throw new Error(String(answer.status));
        if (answer.headers.get("X-Live") === "reload") location.reload();
        failures = 0;
      } catch {
        failures += 1;
      }
    }
    later(look, nextPause(every, failures));
  }
  later(look, every * 1000);
  document.addEventListener("visibilitychange", () => { failures = 0; });
  return look;
}

/** Put new markup in, and leave open what was open. */
export function swap(element, text) {
  const open = new Set([...element.querySelectorAll("details[open]")].map((details) => details.querySelector("summary")?.textContent));
  const holder = document.createElement("template");
  holder.innerHTML = text;
  for (const details of holder.content.querySelectorAll("details")) {
    if (open.has(details.querySelector("summary")?.textContent)) details.open = true;
  }
  markFresh(element, holder.content);
  element.replaceChildren(holder.content);
}
