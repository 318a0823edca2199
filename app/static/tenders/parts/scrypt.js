// scrypt (RFC 7914) for the rescue file: the browser has PBKDF2 but not the memory-hard part, which stands here.
// It works in slices, so that the page stays alive while about a second of arithmetic runs.

const SLICE = 2048; // block mixes between two breaths

async function pbkdf2(password, salt, bytes) {
  const key = await crypto.subtle.importKey("raw", password, "PBKDF2", false, ["deriveBits"]);
  const made = await crypto.subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt, iterations: 1 }, key, bytes * 8);
  return new Uint8Array(made);
}

/** Salsa20/8 on sixteen words, in place: block = block ⊕ next, mixed and added to itself. */
function salsa(block, next, from) {
  for (let i = 0; i < 16; i++) block[i] ^= next[from + i];
  let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = block;
  for (let round = 0; round < 4; round++) {
    let t;
    t = a + m; e ^= (t << 7) | (t >>> 25); t = e + a; i ^= (t << 9) | (t >>> 23); t = i + e; m ^= (t << 13) | (t >>> 19); t = m + i; a ^= (t << 18) | (t >>> 14);
    t = f + b; j ^= (t << 7) | (t >>> 25); t = j + f; n ^= (t << 9) | (t >>> 23); t = n + j; b ^= (t << 13) | (t >>> 19); t = b + n; f ^= (t << 18) | (t >>> 14);
    t = k + g; o ^= (t << 7) | (t >>> 25); t = o + k; c ^= (t << 9) | (t >>> 23); t = c + o; g ^= (t << 13) | (t >>> 19); t = g + c; k ^= (t << 18) | (t >>> 14);
    t = p + l; d ^= (t << 7) | (t >>> 25); t = d + p; h ^= (t << 9) | (t >>> 23); t = h + d; l ^= (t << 13) | (t >>> 19); t = l + h; p ^= (t << 18) | (t >>> 14);
    t = a + d; b ^= (t << 7) | (t >>> 25); t = b + a; c ^= (t << 9) | (t >>> 23); t = c + b; d ^= (t << 13) | (t >>> 19); t = d + c; a ^= (t << 18) | (t >>> 14);
    t = f + e; g ^= (t << 7) | (t >>> 25); t = g + f; h ^= (t << 9) | (t >>> 23); t = h + g; e ^= (t << 13) | (t >>> 19); t = e + h; f ^= (t << 18) | (t >>> 14);
    t = k + j; l ^= (t << 7) | (t >>> 25); t = l + k; i ^= (t << 9) | (t >>> 23); t = i + l; j ^= (t << 13) | (t >>> 19); t = j + i; k ^= (t << 18) | (t >>> 14);
    t = p + o; m ^= (t << 7) | (t >>> 25); t = m + p; n ^= (t << 9) | (t >>> 23); t = n + m; o ^= (t << 13) | (t >>> 19); t = o + n; p ^= (t << 18) | (t >>> 14);
  }
  const mixed = [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p];
  for (let w = 0; w < 16; w++) block[w] += mixed[w];
}

/** BlockMix: `words` holds 2r blocks of sixteen words; the result goes to `out`. */
function blockMix(words, out, r, scratch) {
  scratch.set(words.subarray((2 * r - 1) * 16, 2 * r * 16));
  for (let place = 0; place < 2 * r; place++) {
    salsa(scratch, words, place * 16);
    out.set(scratch, ((place >> 1) + (place & 1 ? r : 0)) * 16);
  }
}

async function roMix(bytes, n, r) {
  const size = 32 * r;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let x = new Uint32Array(size);
  let y = new Uint32Array(size);
  for (let i = 0; i < size; i++) x[i] = view.getUint32(4 * i, true);
  const scratch = new Uint32Array(16);
  const memory = new Uint32Array(size * n);
  for (let step = 0; step < n; step++) {
    memory.set(x, step * size);
    blockMix(x, y, r, scratch);
    [x, y] = [y, x];
    if (step % SLICE === SLICE - 1) await breath();
  }
  for (let step = 0; step < n; step++) {
    const from = (x[(2 * r - 1) * 16] & (n - 1)) * size;
    for (let i = 0; i < size; i++) x[i] ^= memory[from + i];
    blockMix(x, y, r, scratch);
    [x, y] = [y, x];
    if (step % SLICE === SLICE - 1) await breath();
  }
  for (let i = 0; i < size; i++) view.setUint32(4 * i, x[i], true);
}

function breath() {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** scrypt over bytes; n is a power of two. Takes 128·n·r bytes of memory. */
export async function scrypt(password, salt, n, r, p, bytes) {
  const blocks = await pbkdf2(password, salt, p * 128 * r);
  for (let lane = 0; lane < p; lane++) await roMix(blocks.subarray(lane * 128 * r, (lane + 1) * 128 * r), n, r);
  return pbkdf2(password, blocks, bytes);
}
