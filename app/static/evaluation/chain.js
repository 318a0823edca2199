// The chain of a recording, judged in the browser: the same steps as evaluation/evidence.py, on the viewer's device.
const SHA = { name: "SHA-256" };
const START = "0".repeat(64);
const FORMAT = "gongheng/recording/1";
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

// Judges the items, not yet the segments: {items, segments, gaps, bad: null | {n, what, fault}}.
export async function judge(recording, { key = "", progress = () => undefined } = {}) {
  const found = { items: recording.items.length, segments: 0, gaps: 0, bad: null };
  const stop = (n, what, fault) => ({ ...found, bad: { n, what, fault } });
  if (recording.format !== FORMAT || !Array.isArray(recording.items)) return stop(0, "manifest", "malformed");
  const numbers = {};
  const leaves = [];
  let before = START;
  for (const [n, item] of recording.items.entries()) {
    const what = item?.name ?? item?.kind ?? "item";
    let line;
    try { line = canonical(item); } catch { return stop(n, "item", "malformed"); }
    const told = recording.leaves?.[n];
    const mine = await leaf(line);
    if (told && told !== hex(mine)) return stop(n, what, "altered");
    if (item.n !== n) return stop(n, item.n > n ? "item" : what, item.n > n ? "missing" : "out_of_order");
    if (item.session !== recording.session) return stop(n, what, "altered");
    if (item.prev !== before) return stop(told ? n : Math.max(0, n - 1), what, "altered");
    if ((n === 0) !== (item.kind === "opened")) return stop(n, what, n ? "out_of_order" : "missing");
    if (item.kind === "segment") {
      if (item.seq !== (numbers[item.track] ?? 0) + 1) return stop(n, what, "missing");
      numbers[item.track] = item.seq;
      found.segments += 1;
    }
    if (item.kind === "gap") found.gaps += 1;
    if (item.kind === "checkpoint" || item.kind === "closed") {
      if ((key && item.key !== key) || !(await signed(item))) return stop(n, what, "forged");
    }
    if (item.kind === "closed") {
      if (item.root !== await root(leaves)) return stop(n, what, "altered");
      if (canonical(item.tracks) !== canonical(numbers)) return stop(n, what, "missing");
      if (n !== recording.items.length - 1) return stop(n + 1, "item", "out_of_order");
    }
    leaves.push(mine);
    before = await sha256(encoder.encode(line));
    if (n % 250 === 0) progress(n);
  }
  if (recording.items.at(-1)?.kind !== "closed") return stop(recording.items.length, "closed", "cut");
  return found;
}

// Is this what the chain says of the file? Empty when it is, else the fault.
export async function fault(item, content) {
  if (content === null) return "missing";
  if (content.byteLength !== item.bytes) return "altered";
  return (await sha256(content)) === item.sha256 ? "" : "altered";
}
