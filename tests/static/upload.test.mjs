import assert from "node:assert/strict";
import { test } from "node:test";
import { sizeInWords } from "../../app/static/parts/chosen-file.js";
import start, { fill, percentOf } from "../../app/static/parts/upload.js";
import { Element, openPage } from "./page.mjs";

const FILE = { name: "bid.asic", size: 5_000_000, type: "" };

function uploader({ earlier = [], limit } = {}) {
  openPage();
  const made = [];
  class Upload {
    constructor(file, options) {
      Object.assign(this, { file, options, started: 0, aborted: 0, url: "https://centre.example/uploads/7f" });
      made.push(this);
    }

    async findPreviousUploads() { return earlier; }
    resumeFromPreviousUpload(one) { this.resumed = one; }
    start() { this.started += 1; }
    async abort() { this.aborted += 1; }
  }
  const element = new Element("div", {
    address: "/uploads", limit, wordsSending: "{done}/{all} {percent}%", wordsDone: "done {name}", wordsPaused: "paused",
    wordsRetry: "retry", wordsFailed: "failed", wordsLarge: "over {limit}", wordsPause: "pause", wordsResume: "resume",
  });
  const input = Object.assign(new Element("input"), { files: [FILE], attributes: { name: "bid" } });
  const box = new Element();
  const bar = new Element("progress");
  box.parts = { progress: bar };
  const result = Object.assign(new Element("input"), { value: "" });
  const said = new Element("p");
  const pause = new Element("button");
  const token = { value: "mark" };
  const form = Object.assign(new Element("form"), { parts: { "input[name=csrf_token]": token } });
  element.closest = () => form;
  element.parts = {
    "input[type=file]": input, "[data-upload-result]": result, "[data-upload-progress]": box,
    "[data-upload-pause]": pause, "[data-upload-words]": said,
  };
  globalThis.location = { href: "https://centre.example/tenders/1/bid" };
  start(element, { load: async () => ({ Upload }) });
  return { made, element, input, box, bar, result, said, pause, form };
}

test("it sends in pieces, goes on from an earlier try, and carries the form's mark", async () => {
  const { made, input } = uploader({ earlier: ["half"] });
  await input.fire("change");

  const [upload] = made;
  assert.equal(upload.started, 1);
  assert.equal(upload.resumed, "half");
  assert.equal(upload.options.headers["X-CSRFToken"], "mark");
  assert.ok(upload.options.chunkSize <= 8 * 1024 * 1024);
});

test("when it has arrived the form carries its address instead of the file", async () => {
  const { made, input, result, said, box } = uploader();
  await input.fire("change");
  made[0].options.onSuccess();

  assert.equal(result.value, "/uploads/7f");
  assert.equal("name" in input.attributes, false);
  assert.equal(said.textContent, "done bid.asic");
  assert.equal(box.hidden, true);
});

test("the form waits while the file is on its way", async () => {
  const { made, input, form } = uploader();
  await input.fire("change");
  let stopped = 0;
  await form.fire("submit", { preventDefault: () => { stopped += 1; } });
  made[0].options.onSuccess();
  await form.fire("submit", { preventDefault: () => { stopped += 1; } });

  assert.equal(stopped, 1);
});

test("pause and resume", async () => {
  const { made, input, pause, said } = uploader();
  await input.fire("change");
  await pause.fire("click");
  assert.equal(made[0].aborted, 1);
  assert.equal(said.textContent, "paused");
  await pause.fire("click");
  assert.equal(made[0].started, 2);
});

test("what is too large is not sent", async () => {
  const { made, input, said } = uploader({ limit: "1048576" });
  await input.fire("change");

  assert.equal(made.length, 0);
  assert.equal(said.textContent, "over 1.0 MB");
});

test("a hundred percent is said only when all has arrived", () => {
  assert.equal(percentOf(999_999, 1_000_000), 99);
  assert.equal(percentOf(1_000_000, 1_000_000), 100);
  assert.equal(percentOf(0, 0), 0);
  assert.equal(fill("{done} of {all} {what}", { done: 1, all: 2 }), "1 of 2 {what}");
  assert.deepEqual([0, 1023, 1536, 20 * 1024 * 1024].map(sizeInWords), ["0 B", "1023 B", "1.5 KB", "20 MB"]);
});
