import assert from "node:assert/strict";
import { test } from "node:test";
import start, { nextPause } from "../../app/static/parts/live.js";
import { Element, openPage, timers } from "./page.mjs";

function answer(text, { status = 200, headers = {} } = {}) {
  return { ok: status === 200, status, text: async () => text, headers: { get: (name) => headers[name] ?? null } };
}

function region(answers, { held = () => false } = {}) {
  const page = openPage();
  const element = Object.assign(new Element("div", { address: "/opening/1/live", every: "2" }), { innerHTML: "" });
  const asked = [];
  const shown = [];
  const clock = timers();
  const fetcher = async (address, options) => {
    asked.push(options.headers["If-None-Match"] ?? "");
    const next = answers.shift();
    if (next instanceof Error) throw next;
    return next;
  };
  const show = (_, before, text) => !held() && Boolean(shown.push([before, text]));
  start(element, { fetcher, later: clock.later, show });
  return { page, element, asked, clock, shown };
}

test("it shows the difference between two sayings, and asks by the mark of the last", async () => {
  const { shown, clock, asked } = region([answer("a", { headers: { ETag: '"1"' } }), answer("", { status: 304 }), answer("b")]);
  for (let times = 0; times < 3; times += 1) await clock.run();

  assert.deepEqual(shown, [["", "a"], ["a", "b"]]);
  assert.deepEqual(asked, ["", '"1"', '"1"']);
});

test("it rests while the tab is hidden", async () => {
  const { page, clock, asked } = region([]);
  page.hidden = true;
  await clock.run();

  assert.equal(asked.length, 0);
  assert.equal(clock.waiting.length, 1); // and looks again later
});

test("what had to wait is asked for and shown again", async () => {
  let busy = true;
  const { shown, asked, clock } = region([answer("a", { headers: { ETag: '"1"' } }), answer("a")], { held: () => busy });
  await clock.run();
  busy = false;
  await clock.run();

  assert.deepEqual(shown, [["", "a"]]);
  assert.deepEqual(asked, ["", ""]); // no mark was kept for what was not shown
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
