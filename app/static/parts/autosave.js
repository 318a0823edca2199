// Keeps a draft within two seconds after the last key: <form data-part="autosave" data-address="/drafts/…">.
// The address takes the form's fields by POST; what it cannot keep (files) it leaves alone.
const QUIET = 1200; // milliseconds after the last key
const WORDS = {
  zh: { kept: (time) => `草稿已于 ${time} 自动保存`, lost: "草稿暂时没有保存，正在重试" },
  en: { kept: (time) => `Draft saved at ${time}`, lost: "Draft not saved yet, trying again" },
};

export default function start(form, { fetcher = globalThis.fetch, later = setTimeout, forget = clearTimeout } = {}) {
  const language = document.documentElement.lang.startsWith("en") ? "en" : "zh";
  const words = document.createElement("p");
  words.className = "saved-words";
  words.setAttribute("role", "status");
  form.append(words);
  let timer = null;
  let failures = 0;

  async function keep() {
    timer = null;
    const fields = new FormData(form);
    for (const [name, value] of [...fields]) if (typeof value !== "string") fields.delete(name);
    try {
      const answer = await fetcher(form.dataset.address, { method: "POST", body: fields, redirect: "manual" });
      if (!answer.ok && answer.type !== "opaqueredirect") throw new Error(String(answer.status));
      failures = 0;
      const time = new Date().toLocaleTimeString(language === "en" ? "en-GB" : "zh-CN", { hour: "2-digit", minute: "2-digit" });
      words.textContent = WORDS[language].kept(time);
    } catch {
      failures += 1;
      words.textContent = WORDS[language].lost;
      if (failures < 20) timer = later(keep, Math.min(QUIET * 2 ** failures, 30_000));
    }
  }

  form.addEventListener("input", () => {
    if (timer !== null) forget(timer);
    timer = later(keep, QUIET);
  });
  form.addEventListener("submit", () => timer !== null && forget(timer));
  return keep;
}
