const INITIAL: readonly number[] = [
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
]
const ROUND_CONSTANTS: readonly number[] = computeRoundConstants()

/**
 * SHA-256 (FIPS 180-4) without a promise and without Node, for the little that is hashed where neither can be had:
 * the name of a user's token in the cache, and the arguments of a call. Signatures are checked by the platform.
 */
export function sha256(bytes: Uint8Array): Uint8Array {
  const padded = pad(bytes)
  const state = Uint32Array.from(INITIAL)
  const schedule = new Uint32Array(64)
  for (let block = 0; block < padded.byteLength; block += 64) {
    for (let index = 0; index < 16; index++) schedule[index] = padded.getUint32(block + index * 4)
    compress(state, schedule)
  }
  const digest = new DataView(new ArrayBuffer(32))
  for (const [index, word] of state.entries()) digest.setUint32(index * 4, word)
  return new Uint8Array(digest.buffer)
}

// §5.1.1: a one bit, zeros, and the length in bits as a 64-bit number at the end of a block.
function pad(bytes: Uint8Array): DataView {
  const padded = new Uint8Array(Math.ceil((bytes.length + 9) / 64) * 64)
  padded.set(bytes)
  padded[bytes.length] = 0x80
  const view = new DataView(padded.buffer)
  view.setUint32(padded.length - 8, Math.floor(bytes.length / 2 ** 29))
  view.setUint32(padded.length - 4, bytes.length * 8)
  return view
}

// §6.2.2, with every sum taken modulo 2^32 by the array it is written to or by `| 0`.
function compress(state: Uint32Array, schedule: Uint32Array): void {
  for (let index = 16; index < 64; index++) {
    const [early, late] = [schedule[index - 15] as number, schedule[index - 2] as number]
    const first = rotate(early, 7) ^ rotate(early, 18) ^ (early >>> 3)
    const second = rotate(late, 17) ^ rotate(late, 19) ^ (late >>> 10)
    schedule[index] = (schedule[index - 16] as number) + first + (schedule[index - 7] as number) + second
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  for (let index = 0; index < 64; index++) {
    const mixed = (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g))
    const first = h + mixed + (ROUND_CONSTANTS[index] as number) + (schedule[index] as number)
    const second = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))
    h = g
    g = f
    f = e
    e = (d + first) | 0
    d = c
    c = b
    b = a
    a = (first + second) | 0
  }
  for (const [index, word] of [a, b, c, d, e, f, g, h].entries())
    state[index] = (state[index] as number) + word
}

function rotate(word: number, by: number): number {
  return (word >>> by) | (word << (32 - by))
}

// §4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64 primes.
function computeRoundConstants(): number[] {
  const constants: number[] = []
  for (let candidate = 2; constants.length < 64; candidate++) {
    if (isPrime(candidate)) constants.push((Math.cbrt(candidate) * 2 ** 32) >>> 0)
  }
  return constants
}

function isPrime(candidate: number): boolean {
  for (let divisor = 2; divisor * divisor <= candidate; divisor++) {
    if (candidate % divisor === 0) return false
  }
  return true
}
