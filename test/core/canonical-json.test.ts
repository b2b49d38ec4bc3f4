import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalJson } from '../../src/core/canonical-json.js'

describe('canonicalJson', () => {
  test.each([
    { what: 'NaN', value: Number.NaN },
    { what: 'infinity', value: [Number.NEGATIVE_INFINITY] },
    { what: 'an integer beyond 2^53−1', value: 2 ** 53 },
    { what: 'an integer below −(2^53−1)', value: -(2 ** 53) },
    { what: 'an integer in exponent form', value: 1e21 },
    { what: 'a lone high surrogate', value: '\ud800' },
    { what: 'a lone low surrogate', value: 'a\udc00b' },
    { what: 'a lone surrogate in a name', value: { '\ud800': 1 } },
    { what: 'undefined', value: undefined },
    { what: 'undefined in an array', value: [undefined] },
    { what: 'a hole in an array', value: new Array(2) },
    { what: 'a bigint', value: 1n },
    { what: 'a symbol', value: Symbol('s') },
    { what: 'a function', value: () => 1 },
    { what: 'a Date', value: new Date(0) },
    { what: 'a Map', value: new Map([['a', 1]]) },
    { what: 'bytes', value: new Uint8Array(2) },
    { what: 'a boxed string', value: Object('text') },
  ])('refuses $what', ({ value }) => {
    expect(() => canonicalJson(value)).toThrow(TypeError)
  })

  // RFC 8785 appendix B: the bits of a double and how it is written.
  test.each([
    { bits: '0000000000000000', text: '0' },
    { bits: '8000000000000000', text: '0' },
    { bits: '0000000000000001', text: '5e-324' },
    { bits: '8000000000000001', text: '-5e-324' },
    { bits: '433fffffffffffff', text: '9007199254740991' },
    { bits: '3eb0c6f7a0b5ed8c', text: '9.999999999999997e-7' },
    { bits: '3eb0c6f7a0b5ed8d', text: '0.000001' },
    { bits: '41b3de4355555553', text: '333333333.3333332' },
    { bits: '41b3de4355555554', text: '333333333.33333325' },
    { bits: '41b3de4355555555', text: '333333333.3333333' },
    { bits: '41b3de4355555556', text: '333333333.3333334' },
    { bits: '41b3de4355555557', text: '333333333.33333343' },
    { bits: 'becbf647612f3696', text: '-0.0000033333333333333333' },
    { bits: '43143ff3c1cb0959', text: '1424953923781206.2' },
  ])('writes the double $bits as $text', ({ bits, text }) => {
    expect(canonicalJson(Buffer.from(bits, 'hex').readDoubleBE())).toBe(text)
  })

  test('writes the example of RFC 8785 §3.2.2 (without its unsafe integer)', () => {
    const value = JSON.parse(String.raw`{
      "numbers": [333333333.33333329, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }`)
    expect(canonicalJson(value)).toBe(
      String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
    )
  })

  test('sorts names by UTF-16 code units, RFC 8785 §3.2.3', () => {
    const names = ['\u20ac', '\r', '\ufb33', '1', '\u{1f600}', '\u0080', '\u00f6']
    const text = canonicalJson(Object.fromEntries(names.map((name) => [name, 0])))
    expect(Object.keys(JSON.parse(text)).filter((name) => name !== '1')).toEqual([
      '\r',
      '\u0080',
      '\u00f6',
      '\u20ac',
      '\u{1f600}',
      '\ufb33',
    ])
    expect(text).toMatch(/^\{"\\r":0,"1":0,/)
  })

  test('keeps null and leaves out members that are undefined', () => {
    expect(canonicalJson({ b: undefined, a: null })).toBe('{"a":null}')
  })

  test('writes a member called __proto__ like any other', () => {
    expect(canonicalJson(JSON.parse('{"b":1,"__proto__":{"a":1}}'))).toBe('{"__proto__":{"a":1},"b":1}')
  })

  test('does not normalise Unicode', () => {
    expect(canonicalJson('\u00e9')).not.toBe(canonicalJson('e\u0301'))
  })

  test('never depends on the order of members, and is a fixed point', () => {
    const value = fc
      .jsonValue({ maxDepth: 5 })
      .filter((json) => !/\\ud[89a-f]/.test(JSON.stringify(json)))
      .filter((json) => !hasUnsafeInteger(json))
    fc.assert(
      fc.property(value, (json) => {
        const text = canonicalJson(json)
        expect(canonicalJson(JSON.parse(text))).toBe(text)
        expect(canonicalJson(reverseMembers(json))).toBe(text)
      }),
    )
  })
})

function reverseMembers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reverseMembers)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, member]) => [name, reverseMembers(member)]),
  )
}

function hasUnsafeInteger(value: unknown): boolean {
  if (typeof value === 'number') return Number.isInteger(value) && !Number.isSafeInteger(value)
  return typeof value === 'object' && value !== null && Object.values(value).some(hasUnsafeInteger)
}
