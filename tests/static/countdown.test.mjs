import assert from "node:assert/strict";
import { test } from "node:test";
import start, { leftInWords } from "../../app/static/parts/countdown.js";
import { Element, openPage } from "./page.mjs";

const DAY = 86_400_000;

for (const [left, zh, en] of [
  [2 * DAY + 3 * 3_600_000 + 4 * 60_000 + 5_000, "还有 2 天 03 小时 04 分 05 秒", "2 d 03 h 04 min 05 s left"],
  [3_600_000, "还有 1 小时 00 分 00 秒", "1 h 00 min 00 s left"],
  [59_001, "还有 1 分 00 秒", "1 min 00 s left"],
  [1, "还有 1 秒", "1 s left"],
  [0, "还有 0 秒", "0 s left"],
  [-DAY, "还有 0 秒", "0 s left"],
]) {
  test(`${left} ms in words`, () => {
    assert.equal(leftInWords(left).replaceAll("\u00a0", " "), zh);
    assert.equal(leftInWords(left, "en").replaceAll("\u00a0", " "), en);
  });
}

function shown(secondsLeft) {
  const now = Date.parse("2026-11-22T12:00:00Z"); // a clock far from this machine's
  const element = new Element("span", {
    serverNow: new Date(now).toISOString(), deadline: new Date(now + secondsLeft * 1000).toISOString(),
    reached: "报名已截止", language: "zh", time: "",
  });
  start(element);
  element.isConnected = false; // the next tick ends it
  return element;
}

test("it counts by the server's clock and warns by colour in the last ten minutes", () => {
  openPage();
  assert.match(shown(1800).textContent, /^还有 (30\s分 00|29\s分 59)\s秒$/);
  assert.equal(shown(1800).classList.contains("is-near"), false);
  assert.equal(shown(300).classList.contains("is-near"), true);
});

test("a moment that has passed says so, without speaking up", () => {
  const page = openPage();
  const element = shown(-5);

  assert.equal(element.textContent, "报名已截止");
  assert.equal(page.status.textContent, "");
});
