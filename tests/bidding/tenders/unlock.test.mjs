// The rescue file in the browser: RFC 7914's vectors, a file written by the product's Python, and what must not happen.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { scrypt } from "../../../app/static/tenders/parts/scrypt.js";
import start, { NotRescued, openRescue } from "../../../app/static/tenders/parts/unlock.js";

const bytes = (text) => new TextEncoder().encode(text);
const hex = (raw) => Buffer.from(raw).toString("hex");
const RESCUE = readFileSync(new URL("./rescue.json", import.meta.url), "utf8");
const PASSPHRASE = "口令 correct horse";

test("scrypt gives RFC 7914's answers", async () => {
  const first = await scrypt(bytes(""), bytes(""), 16, 1, 1, 64);
  assert.equal(hex(first), "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906");
  const second = await scrypt(bytes("password"), bytes("NaCl"), 1024, 8, 16, 64);
  assert.equal(hex(second), "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640");
});

test("a rescue file of the command opens", async () => {
  const found = await openRescue(RESCUE, PASSPHRASE);
  assert.equal(found.kb, "33".repeat(32));
  assert.deepEqual([found.params, found.seq, found.lot], ["22".repeat(32), 3, "1"]);
});

test("a wrong passphrase and a changed file look the same", async () => {
  const changed = RESCUE.replace(/"ct":"(..)/, (all, pair) => `"ct":"${pair === "00" ? "01" : "00"}`);
  assert.notEqual(changed, RESCUE);
  for (const [text, said] of [[RESCUE, "wrong"], [changed, PASSPHRASE], ["{}", PASSPHRASE], ["", ""], ["x".repeat(5000), ""]]) {
    await assert.rejects(openRescue(text, said), NotRescued);
  }
});

test("other costs are refused, not followed", async () => {
  await assert.rejects(openRescue(RESCUE.replace('"n":131072', '"n":4194304'), PASSPHRASE), NotRescued);
});

function page({ params = "22".repeat(32), seq = "3" } = {}) {
  const made = (extra = {}) => ({
    attributes: new Set(["name"]), value: "", focused: false, listeners: {}, textContent: "",
    removeAttribute(name) { this.attributes.delete(name); },
    addEventListener(kind, run) { this.listeners[kind] = run; },
    focus() { this.focused = true; },
    ...extra,
  });
  const parts = {
    "input[type=file]": made({ files: [{ text: async () => RESCUE }] }),
    "input[type=password]": made({ value: PASSPHRASE }),
    "[data-unlock-open]": made(),
    "[data-unlock-words]": made(),
  };
  const target = made();
  globalThis.document = { querySelector: () => target };
  const element = {
    hidden: true, querySelector: (query) => parts[query],
    dataset: { params, seq, wordsWorking: "working", wordsDone: "done", wordsOther: "other", wordsWrong: "wrong" },
  };
  return { element, parts, target };
}

const opened = { kb: "33".repeat(32), params: "22".repeat(32), seq: 3 };

test("the key goes into the form; file and passphrase have no name to be sent under", async () => {
  const { element, parts, target } = page();
  start(element, { open: async () => opened });
  assert.equal(element.hidden, false);
  for (const query of ["input[type=file]", "input[type=password]"]) assert.equal(parts[query].attributes.has("name"), false);
  await parts["[data-unlock-open]"].listeners.click();
  assert.equal(target.value, opened.kb);
  assert.equal(parts["[data-unlock-words]"].textContent, "done");
  assert.equal(parts["input[type=password]"].value, "");
});

test("the rescue file of another bid fills nothing in", async () => {
  for (const other of [{ params: "00".repeat(32) }, { seq: "4" }]) {
    const { element, parts, target } = page(other);
    start(element, { open: async () => opened });
    await parts["[data-unlock-open]"].listeners.click();
    assert.equal(target.value, "");
    assert.equal(parts["[data-unlock-words]"].textContent, "other");
  }
});

test("a wrong passphrase is said, and may be tried again", async () => {
  const { element, parts } = page();
  start(element, { open: async () => { throw new NotRescued("no"); } });
  await parts["[data-unlock-open]"].listeners.click();
  assert.equal(parts["[data-unlock-words]"].textContent, "wrong");
  assert.equal(parts["[data-unlock-open]"].disabled, false);
});
