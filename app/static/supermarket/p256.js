// The curve P-256 in whole numbers: points, multiples, and the x that two keys share.
// Used where WebCrypto cannot serve (a key derived from a secret). Not hardened against timing: every scalar here
// serves one box and is thrown away, and it runs on its owner's own machine.
export const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const PRIME = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;
const G = [
  0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296n,
  0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5n,
];

const mod = (number, by = PRIME) => ((number % by) + by) % by;

function power(base, exponent) {
  let result = 1n;
  for (let rest = exponent, square = mod(base); rest; rest >>= 1n, square = (square * square) % PRIME) {
    if (rest & 1n) result = (result * square) % PRIME;
  }
  return result;
}

const inverse = (number) => power(number, PRIME - 2n);

// Jacobian coordinates (X, Y, Z) stand for x = X/Z², y = Y/Z³; Z = 0 is the point at infinity.
function doubled([x, y, z]) {
  if (z === 0n || y === 0n) return [1n, 1n, 0n];
  const square = (y * y) % PRIME;
  const s = mod(4n * x * square);
  const zz = (z * z) % PRIME;
  const m = mod(3n * (x - zz) * (x + zz));
  const nx = mod(m * m - 2n * s);
  return [nx, mod(m * (s - nx) - 8n * square * square), mod(2n * y * z)];
}

function added(one, two) {
  if (one[2] === 0n) return two;
  if (two[2] === 0n) return one;
  const [x1, y1, z1] = one;
  const [x2, y2, z2] = two;
  const z1z1 = (z1 * z1) % PRIME;
  const z2z2 = (z2 * z2) % PRIME;
  const u1 = (x1 * z2z2) % PRIME;
  const u2 = (x2 * z1z1) % PRIME;
  const s1 = mod(y1 * z2 * z2z2);
  const s2 = mod(y2 * z1 * z1z1);
  if (u1 === u2) return s1 === s2 ? doubled(one) : [1n, 1n, 0n];
  const h = mod(u2 - u1);
  const hh = (h * h) % PRIME;
  const hhh = (h * hh) % PRIME;
  const r = mod(s2 - s1);
  const v = (u1 * hh) % PRIME;
  const x = mod(r * r - hhh - 2n * v);
  return [x, mod(r * (v - x) - s1 * hhh), mod(h * z1 * z2)];
}

function times(scalar, [x, y]) {
  let result = [1n, 1n, 0n];
  const point = [x, y, 1n];
  for (let place = 255n; place >= 0n; place -= 1n) {
    result = doubled(result);
    if ((scalar >> place) & 1n) result = added(result, point);
  }
  if (result[2] === 0n) throw new RangeError("the point at infinity");
  const z = inverse(result[2]);
  const zz = (z * z) % PRIME;
  return [(result[0] * zz) % PRIME, (((result[1] * zz) % PRIME) * z) % PRIME];
}

export const number = (bytes) => BigInt("0x" + (hex(bytes) || "0"));
export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

export function unhex(text) {
  if (!/^(?:[0-9a-f]{2})*$/.test(text)) throw new RangeError("not lower-case hex");
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

export const bytes32 = (value) => unhex(value.toString(16).padStart(64, "0"));

function checked(scalar) {
  const value = number(scalar);
  if (scalar.length !== 32 || value < 1n || value >= ORDER) throw new RangeError("no scalar of the curve");
  return value;
}

/** A compressed point (33 bytes) from its coordinates. */
export const compress = ([x, y]) => Uint8Array.from([y & 1n ? 3 : 2, ...bytes32(x)]);

/** The coordinates of a compressed point. Throws RangeError for anything else. */
export function decompress(bytes) {
  const x = number(bytes.slice(1));
  if (bytes.length !== 33 || ![2, 3].includes(bytes[0]) || x >= PRIME) throw new RangeError("no compressed point");
  const right = mod(x * x * x - 3n * x + B);
  const y = power(right, (PRIME + 1n) / 4n);
  if ((y * y) % PRIME !== right) throw new RangeError("no point of the curve");
  return [x, (y & 1n) === BigInt(bytes[0] & 1) ? y : PRIME - y];
}

/** The compressed public key of a 32-byte scalar. */
export const publicOf = (scalar) => compress(times(checked(scalar), G));

/** The x of scalar × point, 32 bytes. */
export const shared = (scalar, point) => bytes32(times(checked(scalar), decompress(point))[0]);
