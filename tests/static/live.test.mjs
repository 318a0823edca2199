import assert from "node:assert/strict";
import { test } from "node:test";
import start, { nextPause } from "../../app/static/parts/live.js";
import { Element, openPage, timers } from "./page.mjs";

function answer(text, { status = 200, headers = {} } = {}) {
  return { ok: status === 200, status, text: async () => text, headers: { get: (name) => headers[name] ?? null } };
}

function region(answers) {
  const page = openPage();
  page.createElement = () => ({ content: { querySelectorAll: () => [] }, set innerHTML(text) { this.content.text = text; } });
  const element = new Element("div", { address: "/opening/1/live", every: "2" });
  element.swapped = [];
  element.replaceChildren = (content) => element.swapped.push(content.text);
  const asked = [];
  const clock = timers();
  const fetcher = async (address, options) => {
    asked.push(options.headers["If-None-Match"] ?? "");
    const next = answers.shift();
    if (next instanceof Error) throw next;
    return next;
  };
  start(element, { fetcher, later: clock.later });
  return { page, element, asked, clock };
}

test("it swaps what is new, and only that", async () => {
  const { element, clock, asked } = region([answer("a", { headers: { ETag: '"1"' } }), answer("", { status: 304 }), answer("a"), answer("b")]);
  for (let times = 0; times < 4; times += 1) await clock.run();

  assert.deepEqual(element.swapped, ["a", "b"]);
  assert.deepEqual(asked, ["", '"1"', '"1"', ""]);
});

test("it rests while the tab is hidden", async () => {
  const { page, clock, asked } = region([]);
  page.hidden = true;
  await clock.run();

  assert.equal(asked.length, 0);
  assert.equal(clock.waiting.length, 1); // and looks again later
});

test("it never takes the focused control away", async () => {
  const { element, page, clock, asked } = region([]);
  element.contains = () => true;
  page.activeElement = new Element("button");
  await clock.run();

  assert.equal(asked.length, 0);
});

test("it waits longer each time the server does not answer, and half a minute at most", async () => {
  const { clock } = region([new Error("away"), answer("", { status: 502 }), answer("back")]);

  assert.deepEqual([await clock.run(), await clock.run(), await clock.run(), clock.waiting[0].pause], [2000, 4000, 8000, 2000]);
  assert.equal(nextPause(2, 30), 30_000);
});

test("it ends when the server says that nothing more will come", async () => {
  const { clock } = region([answer("", { status: 204, headers: { "X-Live": "end" } })]);
  await clock.run();

  assert.equal(clock.waiting.length, 0);
});
