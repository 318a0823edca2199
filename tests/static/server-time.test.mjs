import assert from "node:assert/strict";
import { test } from "node:test";
import { ServerTime } from "../../app/static/parts/server-time.js";

const NOON = Date.parse("2026-11-22T12:00:00+08:00");

test("time runs on from what the page brought, whatever the visitor's clock says", () => {
  let tick = 500;
  const clock = new ServerTime(NOON, () => tick);
  tick += 90_000;

  assert.equal(clock.now(), NOON + 90_000);
});

test("asking corrects by half of the round trip", async () => {
  let tick = 0;
  const clock = new ServerTime(NOON - 3_600_000, () => tick); // the page stood in a cache for an hour
  const fetcher = async () => {
    tick += 800;
    return { ok: true, json: async () => ({ now: "2026-11-22T12:00:00+08:00" }) };
  };

  await clock.ask("/time", fetcher);

  assert.equal(clock.now(), NOON + 400);
});

test("an answer that is no time changes nothing", async () => {
  const clock = new ServerTime(NOON, () => 0);

  await clock.ask("/time", async () => ({ ok: true, json: async () => ({ now: "soon" }) }));
  await clock.ask("/time", async () => ({ ok: false }));

  assert.equal(clock.now(), NOON);
});
