import assert from "node:assert/strict";
import { test } from "node:test";
import copy from "../../app/static/parts/copy.js";
import focus from "../../app/static/parts/focus.js";
import unmask, { markFresh } from "../../app/static/parts/unmask.js";
import { addressOf } from "../../app/static/start.js";
import { Element, openPage } from "./page.mjs";

test("copy: the button shows itself only where copying works, and says what it did", async () => {
  const page = openPage();
  const button = Object.assign(new Element("button", { copy: "9f86", copied: "已复制" }), { hidden: true, children: [{ textContent: "复制" }] });
  copy(button, undefined);
  assert.equal(button.hidden, true);

  const written = [];
  copy(button, { writeText: async (text) => written.push(text) });
  await button.fire("click");

  assert.equal(button.hidden, false);
  assert.deepEqual(written, ["9f86"]);
  assert.equal(page.status.textContent, "已复制");
});

test("focus: the summary takes the focus, and a link leads into its field", async () => {
  const page = openPage();
  const summary = new Element();
  const field = new Element("input");
  page.byId = { "field-name": field };
  focus(summary);
  let stopped = false;
  const link = { getAttribute: () => "#field-name" };
  await summary.fire("click", { target: { closest: () => link }, preventDefault: () => { stopped = true; } });

  assert.ok(summary.focused && field.focused && stopped);
});

function named(...names) {
  const elements = names.map((name) => Object.assign(new Element(), { textContent: name }));
  return { elements, querySelectorAll: (selector) => (selector === ".unmask" ? elements : []) };
}

test("unmask: only a name that has just come moves", () => {
  const [old, fresh] = [new Element(), new Element("div", { fresh: "" })];
  unmask(old);
  unmask(fresh);
  assert.deepEqual([old, fresh].map((element) => element.classList.contains("is-fresh")), [false, true]);

  const next = named("清源", "恒正");
  markFresh(named(" 清源 "), next);
  assert.deepEqual(next.elements.map((element) => element.classList.contains("is-fresh")), [false, true]);
});

test("start: a part's address follows from its name", () => {
  const base = "https://centre.example/static/start.js";

  assert.equal(addressOf(new Element(), "copy", base), "https://centre.example/static/parts/copy.js");
  assert.equal(addressOf(new Element(), "evaluation:room", base), "https://centre.example/static/evaluation/parts/room.js");
  assert.equal(addressOf(new Element("div", { partAddress: "/evaluation/static/room.js" }), "room", base), "https://centre.example/evaluation/static/room.js");
});
