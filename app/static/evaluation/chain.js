// The chain of a recording, judged in the browser: the same steps as evaluation/evidence.py, on the viewer's device.
const SHA = { name: "SHA-256" };
const START = "0".repeat(64);
const FORMAT = "gongheng/recording/1";
const KINDS = new Set(["opened", "init", "segment", "gap", "event", "resumed", "checkpoint", "closed"]);
const P = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n; // P-256, FIPS 186-5
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;

// One way to write a thing down (restricted RFC 8785): sorted keys, no spaces, whole numbers.
export function canonical(thing) {
  if (typeof thing === "string") return JSON.stringify(thing);
  if (Number.isSafeInteger(thing) && thing >= 0) return String(thing);
  if (Array.isArray(thing)) return `[${thing.map(canonical).join(",")}]`;
  if (thing === null || typeof thing !== "object") throw new TypeError("no canonical form");
  const keys = Object.keys(thing).sort((one, other) => (one < other ? -1 : 1));
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(thing[key])}`).join(",")}}`;
}

export const hex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
export const bytes = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
export const sha256 = async (content) => hex(await crypto.subtle.digest(SHA, content));

const encoder = new TextEncoder();

export async function digest(item) {
  return sha256(encoder.encode(canonical(item)));
}

function power(base, exponent) {
  let result = 1n;
  for (let left = exponent, square = base % P; left > 0n; left >>= 1n, square = (square * square) % P) {
    if (left & 1n) result = (result * square) % P;
  }
  return result;
}

// WebCrypto does not take compressed points: find the other coordinate.
export function uncompressed(point) {
  const x = BigInt(`0x${point.slice(2)}`);
  const square = (((x * x * x - 3n * x + B) % P) + P) % P;
  let y = power(square, (P + 1n) / 4n);
  if ((y * y) % P !== square) throw new RangeError("not a point of the curve");
  if ((y & 1n) !== BigInt(Number(point.slice(0, 2)) & 1)) y = P - y;
  return bytes(`04${x.toString(16).padStart(64, "0")}${y.toString(16).padStart(64, "0")}`);
}

async function signed(item) {
  const { signature, ...body } = item;
  try {
    const key = await crypto.subtle.importKey("raw", uncompressed(item.key), { name: "ECDSA", namedCurve: "P-256" }, false, ["verify"]);
    const message = encoder.encode(`${FORMAT}\0${canonical(body)}`);
    return await crypto.subtle.verify({ name: "ECDSA", hash: SHA }, key, bytes(signature), message);
  } catch {
    return false;
  }
}

async function node(left, right) {
  const pair = new Uint8Array(65);
  pair[0] = 1;
  pair.set(left, 1);
  pair.set(right, 33);
  return new Uint8Array(await crypto.subtle.digest(SHA, pair));
}

async function leaf(line) {
  const content = encoder.encode(line);
  const marked = new Uint8Array(content.length + 1);
  marked.set(content, 1);
  return new Uint8Array(await crypto.subtle.digest(SHA, marked));
}

export async function root(leaves) {
  let level = leaves;
  if (!level.length) return sha256(new Uint8Array());
  while (level.length > 1) {
    const above = [];
    for (let at = 0; at + 1 < level.length; at += 2) above.push(await node(level[at], level[at + 1]));
    if (level.length % 2) above.push(level[level.length - 1]);
    level = above;
  }
  return hex(level[0]);
}

class Bad extends Error {
  constructor(n, what, fault) {
    super(fault);
    Object.assign(this, { n, what, fault });
  }
}

// Do the manifest's own leaf hashes make the root that was signed? Then they tell which item is bad.
async function leavesHold(items, leaves) {
  const last = items.at(-1);
  if (last?.kind !== "closed" || leaves.some((one) => !/^[0-9a-f]{64}$/.test(one)) || !(await signed(last))) return false;
  return (await root(leaves.slice(0, -1).map(bytes))) === last.root;
}

// Judges the items, not yet the segments: {items, segments, gaps, bad: null | {n, what, fault}}.
export async function judge(recording, { key = "", progress = () => undefined } = {}) {
  const items = Array.isArray(recording.items) ? recording.items : [];
  const walk = { key, session: recording.session, before: START, seen: [], numbers: {}, starts: {}, segments: 0, gaps: 0 };
  let bad = null;
  try {
    if (recording.format !== FORMAT || !Array.isArray(recording.items)) throw new Bad(0, "manifest", "malformed");
    walk.size = items.length;
    walk.leaves = Array.isArray(recording.leaves) && recording.leaves.length === items.length ? recording.leaves : [];
    walk.leavesHold = walk.leaves.length > 0 && await leavesHold(items, walk.leaves);
    for (const [n, item] of items.entries()) {
      await step(walk, n, item);
      if (n % 250 === 0) progress(n);
    }
    if (items.at(-1)?.kind !== "closed") throw new Bad(items.length, "closed", "cut");
  } catch (found) {
    if (!(found instanceof Bad)) throw found;
    bad = { n: found.n, what: found.what, fault: found.fault };
  }
  return { items: items.length, segments: walk.segments, gaps: walk.gaps, bad };
}

async function step(walk, n, item) {
  let line;
  try { line = canonical(item); } catch { throw new Bad(n, "item", "malformed"); }
  if (!KINDS.has(item.kind)) throw new Bad(n, "item", "malformed");
  const what = item.name || item.kind;
  const mine = await leaf(line);
  if (walk.leavesHold && walk.leaves[n] !== hex(mine)) {
    throw new Bad(n, what, walk.leaves.includes(hex(mine)) ? "out_of_order" : "altered");
  }
  if (item.n !== n) {
    const ahead = Number.isInteger(item.n) && item.n > n;
    throw new Bad(n, ahead ? "item" : what, ahead ? "missing" : "out_of_order");
  }
  if (item.session !== walk.session) throw new Bad(n, what, "altered");
  if (item.prev !== walk.before) throw unbound(walk, n, what, mine);
  await judgeItem(walk, n, item, what);
  walk.before = await sha256(encoder.encode(line));
  walk.seen.push(mine);
}

// Two items do not fit together. Which of them is bad? The leaf hashes tell; without them, the earlier.
function unbound(walk, n, what, mine) {
  const beforeStands = n > 0 && hex(walk.seen[n - 1]) === walk.leaves[n - 1];
  if (n === 0 || walk.leavesHold || (beforeStands && hex(mine) !== walk.leaves[n])) return new Bad(n, what, "altered");
  return new Bad(n - 1, "item", "altered");
}

async function judgeItem(walk, n, item, what) {
  if (n === 0 && item.kind !== "opened") throw new Bad(n, what, "missing");
  if (n > 0 && item.kind === "opened") throw new Bad(n, what, "out_of_order");
  if (item.kind === "segment") numbered(walk, n, item, what);
  if (item.kind === "gap") walk.gaps += 1;
  if (item.kind === "checkpoint" || item.kind === "closed") {
    if ((walk.key && item.key !== walk.key) || !(await signed(item))) throw new Bad(n, what, "forged");
  }
  if (item.kind === "closed") {
    if (item.root !== await root(walk.seen)) throw new Bad(n, what, "altered");
    if (canonical(item.tracks) !== canonical(walk.numbers)) throw new Bad(n, what, "missing");
    if (n !== walk.size - 1) throw new Bad(n + 1, "item", "out_of_order");
  }
}

function numbered(walk, n, item, what) {
  if (typeof item.track !== "string" || !Number.isInteger(item.seq) || !Number.isInteger(item.t0)) throw new Bad(n, what, "malformed");
  const last = walk.numbers[item.track] ?? 0;
  if (item.seq !== last + 1) throw new Bad(n, what, item.seq > last ? "missing" : "out_of_order");
  if (item.t0 < (walk.starts[item.track] ?? 0)) throw new Bad(n, what, "out_of_order");
  walk.numbers[item.track] = item.seq;
  walk.starts[item.track] = item.t0;
  walk.segments += 1;
}

// Is this what the chain says of the file? Empty when it is, else the fault.
export async function fault(item, content) {
  if (content === null) return "missing";
  if (content.byteLength !== item.bytes) return "altered";
  return (await sha256(content)) === item.sha256 ? "" : "altered";
}
