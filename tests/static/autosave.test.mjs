import assert from "node:assert/strict";
import { test } from "node:test";
import start from "../../app/static/parts/autosave.js";
import { Element, openPage, timers } from "./page.mjs";

function draft(answers) {
  openPage();
  const form = new Element("form", { address: "/drafts/1" });
  const sent = [];
  const clock = timers();
  globalThis.FormData = class extends Map {
    constructor() { super([["name", "排水管网"], ["document", { size: 1 }]]); }
  };
  const fetcher = async (address, { method, body }) => {
    sent.push([address, method, [...body.keys()]]);
    return answers.shift();
  };
  start(form, { fetcher, later: clock.later, forget: clock.forget });
  return { form, sent, clock, words: form.children[0] };
}

test("a draft is kept within two seconds after the last key, once, without files", async () => {
  const { form, sent, clock, words } = draft([{ ok: true }]);
  await form.fire("input");
  await form.fire("input");
  assert.equal(clock.waiting.length, 1);
  assert.ok((await clock.run()) < 2000);

  assert.deepEqual(sent, [["/drafts/1", "POST", ["name"]]]);
  assert.match(words.textContent, /草稿已于 \d\d:\d\d 自动保存/);
});

test("what was not kept is tried again, and said", async () => {
  const { form, clock, words } = draft([{ ok: false, status: 500 }, { ok: true }]);
  await form.fire("input");
  await clock.run();
  assert.equal(words.textContent, "草稿暂时没有保存，正在重试");
  await clock.run();

  assert.match(words.textContent, /自动保存/);
});

test("handing the form in ends it", async () => {
  const { form, clock } = draft([]);
  await form.fire("input");
  await form.fire("submit");

  assert.equal(clock.waiting.length, 0);
});
