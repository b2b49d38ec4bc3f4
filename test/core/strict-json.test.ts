import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isJsonObject, parseStrictJson, parseStrictJsonObject } from '../../src/core/strict-json.js'

const refused = expect.objectContaining({ name: 'AuthsecError', code: 'invalid_request' })

describe('parseStrictJson', () => {
  test.each([
    '',
    '{',
    '}',
    '[}',
    '{"a":1,}',
    "{'a':1}",
    '{"a" 1}',
    '{"a":1}{"b":2}',
    '"open',
    '"a\\',
    'NaN',
    'undefined',
    '01',
    '// 1',
    '"\t"',
    '\ufeff{}',
    '{"a":1}\0',
  ])('refuses %j, which is not JSON', (text) => {
    expect(() => parseStrictJson(text)).toThrow(refused)
  })

  test.each([
    '{"a":1,"a":1}',
    '{"a":1,"b":{"a":2},"a":3}',
    '{"x":[{"a":1,"a":2}]}',
    '{"a":1,"\\u0061":2}',
    '{"\\u0041":1,"A":2}',
    '{"a\\"b":1,"a\\u0022b":2}',
    '{"a" : 1, "a"\n\t:\r2}',
    '{"":1,"":2}',
    '{"__proto__":1,"__proto__":2}',
    '{"\\ud83d\\ude00":1,"😀":2}',
    '{"a":"}","a":2}',
    '{"a":"\\\\","a":2}',
    '{"a":1,"a":',
  ])('refuses %j, where a name stands twice', (text) => {
    expect(() => parseStrictJson(text)).toThrow(refused)
  })

  test('names the member that stands twice, made printable', () => {
    expect(() => parseStrictJson('{"a\\u202e":1,"a\\u202e":2}')).toThrow(
      'the JSON member "a\\u202e" stands twice',
    )
  })

  test.each([
    { what: 'arrays', text: '['.repeat(33) + ']'.repeat(33) },
    { what: 'objects', text: `${'{"a":'.repeat(33)}1${'}'.repeat(33)}` },
    { what: 'a million arrays', text: '['.repeat(1_000_000) },
    { what: 'a million objects', text: '{"a":'.repeat(1_000_000) },
  ])('refuses $what inside each other', ({ text }) => {
    expect(() => parseStrictJson(text)).toThrow('JSON nested deeper than 32')
  })

  test('refuses what is deeper than the depth asked for', () => {
    expect(parseStrictJson('[[1]]', { maxDepth: 2 })).toEqual([[1]])
    expect(() => parseStrictJson('[[1]]', { maxDepth: 1 })).toThrow(refused)
  })

  test.each([
    '{"a":1,"b":{"a":2}}',
    '[{"a":1},{"a":2}]',
    '{"a":"a","b":"a"}',
    '["a","a","a"]',
    '{"a":"b\\":","b":1}',
    '{"a":"{\\"a\\":1}"}',
    '{"A":1,"a":2}',
    '{"\u00e9":1,"e\u0301":2}',
    ' [ 1 , -0.5e3 , true , null , "x" ] ',
    '"text"',
    '['.repeat(32) + ']'.repeat(32),
  ])('reads %s', (text) => {
    expect(parseStrictJson(text)).toEqual(JSON.parse(text))
  })

  test('reads a member called __proto__ without touching the prototype', () => {
    const value = parseStrictJsonObject('{"__proto__":{"admin":true},"constructor":{"prototype":1}}')
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(value['admin']).toBeUndefined()
    expect(Object.keys(value)).toEqual(['__proto__', 'constructor'])
  })

  test('always reads what JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8 }), (value) => {
        const text = JSON.stringify(value)
        expect(parseStrictJson(text)).toEqual(JSON.parse(text))
      }),
    )
  })

  test('never accepts what JSON.parse refuses, and never throws anything else', () => {
    const text = fc.string({ unit: fc.constantFrom(...'{}[]":,\\u0a1 \n'), maxLength: 24 })
    fc.assert(
      fc.property(text, (candidate) => {
        try {
          expect(parseStrictJson(candidate)).toEqual(JSON.parse(candidate))
        } catch (error) {
          expect(error).toEqual(refused)
        }
      }),
      { numRuns: 2_000 },
    )
  })

  test('never accepts a second member of one name, wherever it stands and however it is spelled', () => {
    const members = fc.dictionary(fc.string({ minLength: 1, maxLength: 5 }), fc.jsonValue({ maxDepth: 2 }), {
      minKeys: 1,
      maxKeys: 5,
    })
    fc.assert(
      fc.property(members, fc.nat(), fc.nat(), (object, which, where) => {
        const entries = Object.entries(object).map(([name, value]) => ({
          name,
          text: `${JSON.stringify(name)}: ${JSON.stringify(value)}`,
        }))
        const twice = entries[which % entries.length]!.name
        const texts = entries.map((entry) => entry.text)
        texts.splice(where % (texts.length + 1), 0, `"${escapeEveryUnit(twice)}" :0`)
        expect(() => parseStrictJson(`[{${texts.join(',')}}]`)).toThrow(refused)
      }),
    )
  })

  test('reads 10 MB of JSON', () => {
    const text = JSON.stringify(
      Array.from({ length: 250_000 }, (_, index) => ({ index, text: 'x'.repeat(20) })),
    )
    expect(text.length).toBeGreaterThan(10_000_000)
    expect(parseStrictJson(text)).toHaveLength(250_000)
  })
})

describe('parseStrictJsonObject', () => {
  test.each(['null', '[]', '"a"', '1', 'true'])('refuses %s', (text) => {
    expect(() => parseStrictJsonObject(text)).toThrow('not a JSON object')
  })

  test('reads an object', () => {
    expect(parseStrictJsonObject('{}')).toEqual({})
  })
})

describe('isJsonObject', () => {
  test.each([
    { value: {}, is: true },
    { value: [], is: false },
    { value: null, is: false },
    { value: undefined, is: false },
    { value: 'a', is: false },
  ])('says $is of $value', ({ value, is }) => {
    expect(isJsonObject(value)).toBe(is)
  })
})

function escapeEveryUnit(text: string): string {
  return Array.from({ length: text.length }, (_, index) => {
    return `\\u${text.charCodeAt(index).toString(16).padStart(4, '0')}`
  }).join('')
}
