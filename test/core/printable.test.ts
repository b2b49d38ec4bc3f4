import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { quote, toPrintable } from '../../src/core/printable.js'

describe('toPrintable', () => {
  test.each([
    { what: 'an escape sequence', text: '\u001b[31mred', printed: '\\u001b[31mred' },
    { what: 'a line break', text: 'one\ntwo', printed: 'one\\u000atwo' },
    { what: 'a carriage return', text: 'one\rtwo', printed: 'one\\u000dtwo' },
    { what: 'NUL', text: '\0', printed: '\\u0000' },
    { what: 'DEL', text: '\u007f', printed: '\\u007f' },
    { what: 'a C1 control (CSI)', text: '\u009b31m', printed: '\\u009b31m' },
    { what: 'a soft hyphen', text: 'a\u00adb', printed: 'a\\u00adb' },
    { what: 'the combining grapheme joiner', text: '\u034f', printed: '\\u034f' },
    { what: 'the Arabic letter mark', text: '\u061c', printed: '\\u061c' },
    { what: 'a Hangul filler', text: '\u115f\u3164\uffa0', printed: '\\u115f\\u3164\\uffa0' },
    { what: 'the Mongolian vowel separator', text: '\u180e', printed: '\\u180e' },
    {
      what: 'zero width characters',
      text: '\u200b\u200c\u200d\u2060\ufeff',
      printed: '\\u200b\\u200c\\u200d\\u2060\\ufeff',
    },
    { what: 'directional marks', text: '\u200e\u200f', printed: '\\u200e\\u200f' },
    { what: 'line and paragraph separators', text: '\u2028\u2029', printed: '\\u2028\\u2029' },
    {
      what: 'embeddings and overrides',
      text: '\u202a\u202b\u202c\u202d\u202e',
      printed: '\\u202a\\u202b\\u202c\\u202d\\u202e',
    },
    { what: 'isolates', text: '\u2066\u2067\u2068\u2069', printed: '\\u2066\\u2067\\u2068\\u2069' },
    { what: 'deprecated format characters', text: '\u206a\u206f', printed: '\\u206a\\u206f' },
    { what: 'interlinear annotations', text: '\ufff9\ufffa\ufffb', printed: '\\ufff9\\ufffa\\ufffb' },
    { what: 'variation selectors', text: 'a\ufe0e\ufe0f', printed: 'a\\ufe0e\\ufe0f' },
    {
      what: 'supplementary variation selectors',
      text: '\u{e0100}\u{e01ef}',
      printed: '\\u{e0100}\\u{e01ef}',
    },
    {
      what: 'tag characters',
      text: '\u{e0001}\u{e0041}\u{e007f}',
      printed: '\\u{e0001}\\u{e0041}\\u{e007f}',
    },
    { what: 'a lone surrogate', text: 'a\ud800b\udc00', printed: 'a\\ud800b\\udc00' },
  ])('makes $what visible', ({ text, printed }) => {
    expect(toPrintable(text)).toBe(printed)
  })

  test.each(['plain text', 'Grüße, 東京, صباح', '👍 and a\u0301', ''])('leaves %j alone', (text) => {
    expect(toPrintable(text)).toBe(text)
  })

  test('never lets a control, bidirectional or surrogate character through, and is idempotent', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const printed = toPrintable(text)
        expect(printed).not.toMatch(/[\p{Cc}\p{Cs}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}]/u)
        expect(toPrintable(printed)).toBe(printed)
      }),
    )
  })
})

describe('quote', () => {
  test('puts text in quotes and makes it printable', () => {
    expect(quote('billing\u202eread')).toBe('"billing\\u202eread"')
  })

  test.each([
    { value: undefined, quoted: '"undefined"' },
    { value: null, quoted: '"null"' },
    { value: 42, quoted: '"42"' },
    { value: false, quoted: '"false"' },
    { value: Number.POSITIVE_INFINITY, quoted: '"Infinity"' },
    { value: ['a', 'b'], quoted: '"["a","b"]"' },
    { value: { sub: 'alice' }, quoted: '"{"sub":"alice"}"' },
  ])('names $quoted', ({ value, quoted }) => {
    expect(quote(value)).toBe(quoted)
  })

  test.each([
    { why: 'a member `toString`', value: JSON.parse('{"toString":1,"valueOf":1}') },
    { why: 'a member `toJSON`', value: JSON.parse('{"toJSON":1}') },
    { why: 'no prototype', value: Object.create(null) },
  ])('survives an object with $why', ({ value }) => {
    expect(quote(value)).toMatch(/^"\{.*\}"$/)
  })

  test('cuts after the limit and says so', () => {
    expect(quote('abcdef', 3)).toBe('"abc…"')
    expect(quote('abc', 3)).toBe('"abc"')
  })

  test('does not cut a character in half', () => {
    expect(quote('ab👍cd', 3)).toBe('"ab…"')
  })

  test('is short for any text, however long', () => {
    expect(quote('x'.repeat(10_000_000))).toBe(`"${'x'.repeat(60)}…"`)
  })
})
