import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sha256 } from '../../src/core/sha256.js'

describe('sha256', () => {
  // NIST's example values for FIPS 180-4, and the empty message.
  test.each([
    { text: '', hex: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' },
    { text: 'abc', hex: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad' },
    {
      text: 'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq',
      hex: '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
    },
  ])('is that of the standard for "$text"', ({ text, hex }) => {
    expect(Buffer.from(sha256(Buffer.from(text))).toString('hex')).toBe(hex)
  })

  test('agrees with another implementation for whatever bytes there are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(Buffer.from(sha256(bytes))).toEqual(createHash('sha256').update(bytes).digest())
      }),
      { numRuns: 500 },
    )
  })

  test('agrees for more than one block could hold, and leaves its input alone', () => {
    const bytes = Uint8Array.from({ length: 20_000 }, (_, index) => index % 251)
    const before = Uint8Array.from(bytes)
    expect(Buffer.from(sha256(bytes))).toEqual(createHash('sha256').update(bytes).digest())
    expect(bytes).toEqual(before)
  })
})
