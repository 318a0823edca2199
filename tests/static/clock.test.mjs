import assert from "node:assert/strict";
import { test } from "node:test";
import { inBeijing } from "../../app/static/parts/clock.js";

test("the clock shows Beijing time with the weekday", () => {
  const moment = Date.parse("2026-11-22T20:03:09Z");

  assert.equal(inBeijing(moment), "2026年11月23日 周一 04:03:09");
  assert.equal(inBeijing(moment, "en"), "Mon 23 Nov 2026 04:03:09");
});
