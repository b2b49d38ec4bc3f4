import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as base64url from '../../src/core/base64url.js'

// RFC 4648 §10 without padding, and RFC 7515 appendix C.
const VECTORS = [
  { bytes: '', text: '' },
  { bytes: 'f', text: 'Zg' },
  { bytes: 'fo', text: 'Zm8' },
  { bytes: 'foo', text: 'Zm9v' },
  { bytes: 'foob', text: 'Zm9vYg' },
  { bytes: 'fooba', text: 'Zm9vYmE' },
  { bytes: 'foobar', text: 'Zm9vYmFy' },
  { bytes: '\x03\xec\xff\xe0\xc1', text: 'A-z_4ME' },
  { bytes: '\x00\x00\x00', text: 'AAAA' },
  { bytes: '\xff\xff\xff', text: '____' },
]

const RUNTIMES = [
  { runtime: 'with the Buffer of Node', buffer: Buffer },
  { runtime: 'without Buffer', buffer: undefined },
  { runtime: 'with a Buffer that does not know base64url', buffer: { isEncoding: () => false } },
]

describe.each(RUNTIMES)('$runtime', ({ buffer }) => {
  const decodeBase64url = within(base64url.decodeBase64url)
  const encodeBase64url = within(base64url.encodeBase64url)

  function within<A, B>(code: (input: A) => B): (input: A) => B {
    return (input) => {
      const own = globalThis.Buffer
      Object.assign(globalThis, { Buffer: buffer })
      try {
        return code(input)
      } finally {
        globalThis.Buffer = own
      }
    }
  }

  describe('decodeBase64url', () => {
    test.each([
      { why: 'padding', text: 'Zg==' },
      { why: 'the alphabet of base64', text: 'A+z/4ME' },
      { why: 'white space inside', text: 'Zm 9v' },
      { why: 'a line break at the end', text: 'Zm9v\n' },
      { why: 'a length no bytes encode to', text: 'Zm9vY' },
      { why: 'one character alone', text: 'Z' },
      { why: 'bits beyond one byte', text: 'Zh' },
      { why: 'bits beyond two bytes', text: 'Zm9' },
      { why: 'a full width letter', text: 'Ｚg' },
      { why: 'a character whose low byte is a letter', text: '\u015ag' },
      { why: 'NUL', text: '\0\0' },
      { why: 'a dot', text: 'Zm9v.Zm9v' },
    ])('refuses $why', ({ text }) => {
      expect(() => decodeBase64url(text)).toThrow(expect.objectContaining({ code: 'token_malformed' }))
    })

    test.each(VECTORS)('decodes "$text"', ({ bytes, text }) => {
      expect(decodeBase64url(text)).toEqual(Uint8Array.from(Buffer.from(bytes, 'latin1')))
    })

    test('always returns what was encoded, and agrees with Node', () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
          const text = encodeBase64url(bytes)
          expect(text).toBe(Buffer.from(bytes).toString('base64url'))
          expect(decodeBase64url(text)).toEqual(bytes)
        }),
      )
    })

    test('never accepts two spellings of the same bytes', () => {
      const character = fc.constantFrom(...'ABCDefgh0189-_+/= \n.')
      fc.assert(
        fc.property(fc.string({ unit: character, maxLength: 12 }), (text) => {
          let bytes: Uint8Array
          try {
            bytes = decodeBase64url(text)
          } catch {
            return
          }
          expect(encodeBase64url(bytes)).toBe(text)
        }),
      )
    })

    test('reads 10 MB', () => {
      expect(decodeBase64url('A'.repeat(10_000_000))).toHaveLength(7_500_000)
    })
  })

  describe('encodeBase64url', () => {
    test.each(VECTORS)('encodes to "$text"', ({ bytes, text }) => {
      expect(encodeBase64url(Buffer.from(bytes, 'latin1'))).toBe(text)
    })
  })
})
