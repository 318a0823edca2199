// A running countdown by the server's clock: <span data-part="countdown" data-server-now data-deadline data-time>.
// It speaks (role=timer is silent by itself) through the page's status line: once at ten minutes, once at one, and at the end.
import { serverTime } from "./server-time.js";

const WORDS = {
  zh: { units: ["天", "小时", "分", "秒"], left: (words) => `还有 ${words}`, warn: (minutes) => `距截止还有 ${minutes} 分钟` },
  en: { units: ["d", "h", "min", "s"], left: (words) => `${words} left`, warn: (minutes) => `${minutes} minute${minutes > 1 ? "s" : ""} left` },
};

/** `2 天 03 小时 04 分 05 秒`; days and hours only when there are any; a number and its unit stay on one line. */
export function leftInWords(milliseconds, language = "zh") {
  const words = WORDS[language] ?? WORDS.zh;
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  const counts = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60, seconds % 60];
  const first = counts.findIndex((count) => count > 0);
  const shown = counts.slice(first < 0 ? 3 : first);
  const units = words.units.slice(4 - shown.length);
  return words.left(shown.map((count, place) => `${place ? String(count).padStart(2, "0") : count}\u00a0${units[place]}`).join(" "));
}

function say(text) {
  const status = document.getElementById("status");
  if (status) status.textContent = text;
}

export default function start(element) {
  const clock = serverTime(element);
  const deadline = Date.parse(element.dataset.deadline);
  const language = element.dataset.language ?? "zh";
  const warnings = [10, 1].filter((minutes) => deadline - clock.now() > minutes * 60_000);
  let wasOpen = deadline > clock.now();

  function show() {
    if (!element.isConnected) return;
    const left = deadline - clock.now();
    if (left <= 0) {
      element.textContent = element.dataset.reached;
      element.classList.add("is-reached");
      if (wasOpen) {
        say(element.dataset.reached);
        if ("reload" in element.dataset) setTimeout(() => location.reload(), 500);
      }
      return;
    }
    wasOpen = true;
    element.textContent = leftInWords(left, language);
    element.classList.toggle("is-near", left < 600_000);
    if (warnings.length && left <= warnings[0] * 60_000) say(WORDS[language].warn(warnings.shift()));
    setTimeout(show, (left % 1000) + 5);
  }
  show();
}
