import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import contributePart from "../../../app/static/supermarket/parts/contribute.js";
import recomputePart from "../../../app/static/supermarket/parts/recompute.js";
import registerPart from "../../../app/static/supermarket/parts/register.js";
import { decompress, hex, publicOf, shared, unhex } from "../../../app/static/supermarket/p256.js";
import { canonical, contribute, openBox, recompute, register } from "../../../app/static/supermarket/sealing.js";

// What Python made: vectors of the curve, a box with its r, and a whole bundle (see test_parts.py).
const made = JSON.parse(readFileSync(process.env.MADE, "utf8"));
const clone = (thing) => JSON.parse(JSON.stringify(thing));

test("p256: the same points and shared secrets as the platform's library", () => {
  for (const { scalar, point, other, x } of made.curve) {
    assert.equal(hex(publicOf(unhex(scalar))), point);
    assert.equal(hex(shared(unhex(scalar), unhex(other))), x);
  }
});

test("p256: what is no point or scalar is refused", () => {
  assert.throws(() => decompress(unhex("02" + "ff".repeat(32))));
  assert.throws(() => decompress(unhex("04" + made.curve[0].point.slice(2))));
  assert.throws(() => publicOf(new Uint8Array(32)));
  assert.throws(() => publicOf(unhex("ff".repeat(32))));
  assert.throws(() => unhex("AB"));
});

test("contribute: byte for byte the platform's box for the same randomness", async () => {
  const bytes = [made.box.salt, made.box.r].map(unhex);
  const box = await contribute(made.box.params, made.box.label, made.box.seq, () => bytes.shift());
  assert.equal(box, made.box.box);
});

test("open: every team finds r; a box with one wrong envelope is void for every team", async () => {
  const params = JSON.parse(made.box.params);
  const keys = made.box.keys.map(unhex);
  const fields = JSON.parse(Buffer.from(made.box.box, "hex"));
  fields.teams = fields.teams.slice(0, -1) + (fields.teams.endsWith("0") ? "1" : "0");
  const spoilt = new TextEncoder().encode(canonical(fields));
  for (const team of [[0, 1], [0, 2], [1, 2]]) {
    const given = Object.fromEntries(team.map((place) => [place, keys[place]]));
    assert.equal(hex(await openBox(unhex(made.box.box), params, given)), made.box.r);
    assert.equal(await openBox(spoilt, params, given), null);
  }
});

test("register: the form the platform takes, with a fresh key and secret each time", async () => {
  const one = await register("ZJ-2026-000001", "91511700MA00000010");
  const two = await register("ZJ-2026-000001", "91511700MA00000010");
  assert.deepEqual(Object.keys(one.body).sort(), ["account", "firm", "kind", "project", "share", "statement_sig", "w"]);
  assert.notEqual(one.secret, two.secret);
  assert.notEqual(one.body.share, two.body.share);
});

test("recompute: a real bundle agrees", async () => {
  assert.equal(await recompute(made.bundle), null);
});

const SPOIL = {
  "pool.notice": (bundle) => { bundle.notice.minimum += 1; },
  params: (bundle) => { bundle.params.m = 3; },
  facts: (bundle) => { bundle.facts[0][1] = "suspended"; },
  "entries[1]": (bundle) => { bundle.entries[1].body.share = "00".repeat(32); },
  "pool.root": (bundle) => { bundle.entries.pop(); },
  seed: (bundle) => { bundle.seed = "00".repeat(32); },
  "order[0]": (bundle) => { bundle.order.select.reverse(); },
  "contributions.owner": (bundle) => { bundle.contributions[0].box = bundle.contributions[1].box; },
};

for (const [item, spoil] of Object.entries(SPOIL)) {
  test(`recompute: names ${item}`, async () => {
    const bundle = clone(made.bundle);
    spoil(bundle);
    assert.equal(await recompute(bundle), item);
  });
}

test("recompute: a false key names its holder", async () => {
  const bundle = clone(made.bundle);
  const [holder] = Object.keys(bundle.releases);
  bundle.releases[holder].key = "00".repeat(31) + "07";
  assert.equal(await recompute(bundle), `releases.${holder}`);
});

class Page {
  constructor(parts, dataset) {
    this.dataset = dataset;
    this.parts = parts;
    this.className = this.textContent = "";
  }

  querySelector(words) {
    return this.parts[words];
  }
}

function formWith(name) {
  const field = { value: "" };
  const form = { sent: 0, heard: null, querySelector: () => field, requestSubmit() { this.sent += 1; } };
  form.addEventListener = (_, heard) => { form.heard = heard; };
  return { field, form, name };
}

test("register part: makes the body, saves the secret, then sends", async () => {
  const { field, form } = formWith("body");
  const told = {};
  const page = new Page({ form, "[data-told]": told }, { project: "P", firm: "F", words: "saved", file: "s.json" });
  const kept = [];
  registerPart(page, { make: async () => ({ body: { b: 1, a: 2 }, secret: "s" }), keep: (...given) => kept.push(given), later: (act) => act() });
  let stopped = 0;
  await form.heard({ preventDefault: () => { stopped += 1; } });

  assert.equal(field.value, '{"a":2,"b":1}');
  assert.deepEqual(kept, [["s.json", '{"project":"P","secret":"s"}']]);
  assert.deepEqual([stopped, form.sent, told.textContent], [1, 1, "saved"]);
  await form.heard({ preventDefault: () => { stopped += 1; } });
  assert.equal(stopped, 1);
});

test("contribute part: hides the hand-made field, seals, then sends", async () => {
  const { field, form } = formWith("box");
  const byHand = {};
  const page = new Page(
    { form, "[data-told]": {}, "[data-by-hand]": byHand },
    { params: "{}", label: "owner", seq: "2", words: "sealed" },
  );
  contributePart(page, { seal: async (...given) => JSON.stringify(given), later: (act) => act() });
  assert.equal(byHand.hidden, true);
  await form.heard({ preventDefault() {} });

  assert.equal(field.value, '["{}","owner",2]');
  assert.equal(form.sent, 1);
});

test("recompute part: says the good sentence, or what is wrong", async () => {
  const fetcher = async () => ({ ok: true, json: async () => ({}) });
  const good = new Page({}, { bundle: "/b", good: "agrees", bad: "differs:" });
  await recomputePart(good, { fetcher, again: async () => null });
  assert.deepEqual([good.textContent, good.className], ["agrees", "note note-good"]);
  const bad = new Page({}, { bundle: "/b", good: "agrees", bad: "differs:" });
  await recomputePart(bad, { fetcher, again: async () => "seed" });
  assert.deepEqual([bad.textContent, bad.className], ["differs: seed", "note note-stop"]);
});
