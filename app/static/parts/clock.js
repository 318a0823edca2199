// The server's clock in the foot of the page, to the second.
import { serverTime } from "./server-time.js";

const FORMS = {
  zh: { year: "numeric", month: "long", day: "numeric", weekday: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
  en: { year: "numeric", month: "short", day: "numeric", weekday: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
};

export function inBeijing(milliseconds, language = "zh") {
  const form = new Intl.DateTimeFormat(language === "en" ? "en-GB" : "zh-CN", { ...FORMS[language], timeZone: "Asia/Shanghai" });
  const part = Object.fromEntries(form.formatToParts(milliseconds).map(({ type, value }) => [type, value]));
  const time = `${part.hour}:${part.minute}:${part.second}`;
  if (language === "en") return `${part.weekday} ${part.day} ${part.month} ${part.year} ${time}`;
  return `${part.year}年${part.month.replace("月", "")}月${part.day}日 ${part.weekday} ${time}`;
}

export default function start(element) {
  const clock = serverTime(element);
  (function show() {
    if (!element.isConnected) return;
    element.textContent = inBeijing(clock.now(), element.dataset.language);
    setTimeout(show, 1000 - (clock.now() % 1000) + 5);
  })();
}
