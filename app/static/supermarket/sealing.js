// Draws in a browser: digests, contribution boxes under lock C, registrations, and a whole recomputation.
// The same bytes as ca.draws and ca.sealing; a test compares the two.
import { ORDER, bytes32, hex, number, publicOf, shared, unhex } from "./p256.js";

const text = new TextEncoder();
const DOMAIN = text.encode("gh-seal/2 ");
const subtle = () => globalThis.crypto.subtle;
export const random = (length) => globalThis.crypto.getRandomValues(new Uint8Array(length));

export function join(...parts) {
  const all = parts.map((part) => (typeof part === "string" ? text.encode(part) : part));
  const whole = new Uint8Array(all.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of all) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export const sha256 = async (...parts) => new Uint8Array(await subtle().digest("SHA-256", join(...parts)));

async function hmac(key, message) {
  const made = await subtle().importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await subtle().sign("HMAC", made, message));
}

function counted(value, bytes) {
  const out = new Uint8Array(bytes);
  for (let at = bytes - 1, rest = value; at >= 0; at -= 1, rest = Math.floor(rest / 256)) out[at] = rest % 256;
  return out;
}

/** Bytes of a tag and its counted parts: strings as UTF-8, numbers as u32. */
export function framed(tag, ...parts) {
  const name = text.encode("gongheng/1/" + tag);
  const pieces = [counted(name.length, 2), name];
  for (const part of parts) {
    const raw = typeof part === "string" ? text.encode(part) : typeof part === "number" ? counted(part, 4) : part;
    pieces.push(counted(raw.length, 8), raw);
  }
  return join(...pieces);
}

export const H = (tag, ...parts) => sha256(framed(tag, ...parts));
export const mac = (key, tag, ...parts) => hmac(key, framed(tag, ...parts));

/** The one way to write a thing down (restricted JCS): sorted keys, no spaces. */
export function canonical(thing) {
  if (Array.isArray(thing)) return "[" + thing.map(canonical).join(",") + "]";
  if (thing !== null && typeof thing === "object") {
    return "{" + Object.keys(thing).sort().map((key) => JSON.stringify(key) + ":" + canonical(thing[key])).join(",") + "}";
  }
  return JSON.stringify(thing);
}

async function kdf(secret, salt, info, length = 32) {
  const key = await subtle().importKey("raw", secret, "HKDF", false, ["deriveBits"]);
  const how = { name: "HKDF", hash: "SHA-256", salt, info: join(DOMAIN, info) };
  return new Uint8Array(await subtle().deriveBits(how, key, length * 8));
}

const said = (name, ...parts) => sha256(DOMAIN, name, Uint8Array.of(0), ...parts);

export function teamsOf(n, m) {
  const found = [];
  const grow = (team, from) => {
    if (team.length === m) found.push(team);
    else for (let place = from; place < n; place += 1) grow([...team, place], place + 1);
  };
  grow([], 0);
  return found;
}

const share = (x, ctx, place, point, pk) => kdf(x, ctx, join("holder", Uint8Array.of(0, place), point, pk));
const pad = (shares, ctx, team) => kdf(join(...team.map((place) => shares[place])), ctx, join("team", Uint8Array.of(0, ...team)));
const xor = (one, two) => one.map((byte, at) => byte ^ two[at]);

/** Lock C over kc: {cc, E, teams}, the same bytes whenever and by whomever it is computed. */
async function close(params, ctx, kc) {
  const seed = await kdf(kc, ctx, join("eph", Uint8Array.of(0)), 48);
  const scalar = bytes32((number(seed) % (ORDER - 1n)) + 1n);
  const E = publicOf(scalar);
  const shares = [];
  for (const [place, seat] of params.holders.entries()) {
    const pk = unhex(seat.pk);
    shares.push(await share(shared(scalar, pk), ctx, place, E, pk));
  }
  const teams = [];
  for (const team of teamsOf(params.holders.length, params.m)) teams.push(xor(kc, await pad(shares, ctx, team)));
  return { cc: hex(await said("kc", ctx, kc)), E: hex(E), teams: hex(join(...teams)) };
}

const context = (fields) => {
  const { bidder, lot, params, salt, seq, v } = fields;
  return said("ctx", canonical({ bidder, lot, params, salt, seq, v }));
};

/** A sealed contribution: the bytes of its box in hex. `r` is known to nobody after this returns. */
export async function contribute(paramsText, label, seq, chance = random) {
  const params = JSON.parse(paramsText);
  const salt = hex(chance(32));
  const r = chance(32);
  const fields = { v: 2, params: hex(await sha256(paramsText)), lot: "draw", bidder: label, seq, salt };
  return hex(text.encode(canonical({ ...fields, ...(await close(params, await context(fields), r)) })));
}

/** r of a box, by released keys {place: scalar}; null when the box is void. */
export async function openBox(box, params, keys) {
  const fields = JSON.parse(new TextDecoder().decode(box));
  const ctx = await context(fields);
  const team = Object.keys(keys).map(Number).sort((a, b) => a - b).slice(0, params.m);
  const E = unhex(fields.E);
  const shares = {};
  for (const place of team) {
    shares[place] = await share(shared(keys[place], E), ctx, place, E, unhex(params.holders[place].pk));
  }
  const index = teamsOf(params.holders.length, params.m).findIndex((each) => each.join() === team.join());
  const envelope = unhex(fields.teams).slice(32 * index, 32 * index + 32);
  const r = xor(envelope, await pad(shares, ctx, team));
  const again = await close(params, ctx, r);
  return again.cc === fields.cc && again.E === fields.E && again.teams === fields.teams ? r : null;
}

/** A registration as the firm's own device makes it, and the secret by which it may be withdrawn. */
export async function register(project, firm, chance = random) {
  const secret = chance(32);
  const pair = await subtle().generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
  const raw = new Uint8Array(await subtle().exportKey("raw", pair.publicKey));
  const account = hex(Uint8Array.from([raw[64] & 1 ? 3 : 2, ...raw.slice(1, 33)]));
  const body = { kind: "register", project, firm, account, w: hex(await H("w", secret)), share: hex(chance(32)) };
  const statement = await H("statement", canonical(body));
  const signature = await subtle().sign({ name: "ECDSA", hash: "SHA-256" }, pair.privateKey, statement);
  return { body: { ...body, statement_sig: hex(new Uint8Array(signature)) }, secret: hex(secret) };
}

async function treeRoot(items) {
  let level = await Promise.all(items.map((item) => sha256(Uint8Array.of(0), item)));
  if (!level.length) return sha256();
  while (level.length > 1) {
    const above = [];
    for (let at = 0; at + 1 < level.length; at += 2) above.push(sha256(Uint8Array.of(1), level[at], level[at + 1]));
    if (level.length % 2) above.push(level.at(-1));
    level = await Promise.all(above);
  }
  return level[0];
}

/** Recompute a draw from its bundle; the first wrong item by name, or null when everything agrees. */
export async function recompute(bundle) {
  const { notice, pool, params } = bundle;
  if (hex(await H("notice", canonical(notice))) !== pool.notice) return "pool.notice";
  if (hex(await sha256(canonical(params))) !== notice.params) return "params";
  if (hex(await H("facts", canonical(bundle.facts))) !== pool.facts) return "facts";
  const live = {};
  const leaves = [];
  for (const [place, entry] of bundle.entries.entries()) {
    const computed = await H("cell", canonical(entry.body), unhex(entry.salt));
    if (hex(computed) !== entry.entry) return `entries[${place}]`;
    if (entry.withdrawal) continue;
    leaves.push(await H("leaf", computed, entry.status));
    if (entry.status === "eligible") live[entry.entry] = entry.body.firm;
  }
  for (let place = 0, pads = notice.capacity - leaves.length; place < pads; place += 1) {
    leaves.push(await H("pad", notice.project, unhex(bundle.pad_key), place));
  }
  leaves.sort((one, two) => (hex(one) < hex(two) ? -1 : 1));
  if (hex(await treeRoot(leaves)) !== pool.root) return "pool.root";
  const pc = await H("pool", canonical(pool));
  const seed = await seedOf(bundle, pc);
  if (typeof seed === "string") return seed;
  if (hex(seed) !== bundle.seed) return "seed";
  return orderWrong(bundle, seed, Object.keys(live));
}

async function seedOf({ params, releases, contributions, pool }, pc) {
  const keys = {};
  for (const [place, seat] of params.holders.entries()) {
    if (!releases[seat.id]) continue;
    const scalar = unhex(releases[seat.id].key);
    if (hex(publicOf(scalar)) !== seat.pk) return `releases.${seat.id}`;
    keys[place] = scalar;
  }
  const parts = [];
  for (const [place, { label, box }] of contributions.entries()) {
    const raw = unhex(box);
    if (pool.contributions[place]?.[1] !== hex(await H("box", raw))) return `contributions.${label}`;
    const r = await openBox(raw, params, keys);
    if (r) parts.push(label, r);
  }
  return H("seed", pc, ...parts);
}

async function orderWrong(bundle, seed, entries) {
  for (const { purpose } of bundle.notice.purposes) {
    const ranked = await Promise.all(
      entries.map(async (entry) => hex(await mac(seed, "rank", purpose, unhex(entry))) + entry),
    );
    const order = ranked.sort().map((line) => line.slice(64));
    const wrong = order.findIndex((entry, place) => entry !== bundle.order[purpose][place]);
    if (wrong >= 0 || order.length !== bundle.order[purpose].length) return `order[${Math.max(wrong, 0)}]`;
  }
  return null;
}
