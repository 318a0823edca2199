// A region that shows itself anew: <div data-part="live" data-address="…" data-every="2">.
// It rests while the tab is hidden, slows down when the server does not answer, and touches only what the server
// changed: what somebody unfolded stays unfolded, a running countdown runs on, and the control that has the focus
// is never replaced under somebody's hands – then the change waits.
// The answer's X-Live header may say "end" (with 204: nothing more will come) or "reload" (show the whole page again).
import { changes } from "./morph.js";
import { markFresh } from "./unmask.js";

export function nextPause(every, failures) {
  return Math.min(every * 2 ** failures, Math.max(30, every)) * 1000;
}

export default function start(element, { fetcher = globalThis.fetch, later = setTimeout, show = swap } = {}) {
  const every = Number(element.dataset.every || 2);
  let failures = 0;
  let last = element.innerHTML; // the server's markup that is on the page
  let mark = null;

  async function look() {
    if (!element.isConnected) return;
    if (!document.hidden) {
      try {
        const headers = { "X-Part": "live", ...(mark ? { "If-None-Match": mark } : {}) };
        const answer = await fetcher(element.dataset.address, { headers, cache: "no-store" });
        if (answer.status === 204 && answer.headers.get("X-Live") === "end") return;
        if (answer.ok && answer.status === 200) {
          const text = await answer.text();
          if (show(element, last, text)) {
            last = text;
            mark = answer.headers.get("ETag");
          }
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

function parsed(text) {
  const holder = document.createElement("template");
  holder.innerHTML = text;
  return holder.content;
}

/** What differs at every look without anything having happened: the server's time, and marks against forged requests. */
function calmed(content, token) {
  for (const element of content.querySelectorAll("[data-server-now]")) {
    element.removeAttribute("data-server-now");
    if (element.dataset.deadline) element.textContent = ""; // the countdown writes it
  }
  for (const field of content.querySelectorAll("input[name=csrf_token]")) field.setAttribute("value", token);
  return content;
}

/** Bring new markup into the region; false when that must wait because the focus is in what changes. */
export function swap(element, before, text) {
  const token = document.querySelector("input[name=csrf_token]")?.value ?? parsed(text).querySelector("input[name=csrf_token]")?.value;
  const next = calmed(parsed(text), token);
  const old = calmed(parsed(before), token);
  const list = changes(element, old, next);
  const focused = document.activeElement;
  if (list.some(({ at, replaces }) => replaces && at.contains(focused))) return false;
  markFresh(element, next);
  for (const { make } of list) make();
  return true;
}
