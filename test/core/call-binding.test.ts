import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  assertCallArguments,
  encodeCall,
  hashCall,
  isCallHash,
  matchesCall,
  parseBindings,
  parseCallArguments,
} from '../../src/core/call-binding.js'
import type { JsonObject } from '../../src/core/strict-json.js'

const sha256 = (bytes: Uint8Array) => new Uint8Array(createHash('sha256').update(bytes).digest())
const salt = new Uint8Array(16).fill(7)
const CALL = { aud: 'https://billing.example', tool: 'refund', args: { invoice: 'in_1', amount: '10.00' } }

function nest(depth: number): string {
  return `${'{"a":'.repeat(depth - 1)}{}${'}'.repeat(depth - 1)}`
}

describe('parseCallArguments', () => {
  test.each([
    { what: 'text that is not JSON', text: '{', says: 'not valid JSON' },
    { what: 'a list', text: '[1]', says: 'not a JSON object' },
    { what: 'null', text: 'null', says: 'not a JSON object' },
    { what: 'a member that stands twice', text: '{"a":1,"a":2}', says: 'stands twice' },
    {
      what: 'a member that stands twice in two spellings',
      text: '{"a":1,"\\u0061":2}',
      says: 'stands twice',
    },
    { what: 'a lone surrogate', text: '{"a":"\\ud800"}', says: 'half a character' },
    { what: 'a lone surrogate in a name', text: '{"\\udc00":1}', says: 'half a character' },
    { what: 'an integer beyond 2^53-1', text: '{"a":9007199254740992}', says: 'not finite or beyond' },
    { what: 'an integer below -(2^53-1)', text: '{"a":-9007199254740992}', says: 'not finite or beyond' },
    { what: 'a number that is not finite', text: '{"a":1e999}', says: 'not finite or beyond' },
    { what: 'seventeen levels', text: nest(17), says: 'nested deeper than 16' },
    { what: 'more than 16 KiB', text: JSON.stringify({ a: 'x'.repeat(16_384) }), says: 'larger than 16 KiB' },
    {
      what: 'more than 16 KiB of hardly anything',
      text: `{${' '.repeat(16_384)}}`,
      says: 'larger than 16 KiB',
    },
    {
      what: 'more than 16 KiB once it is canonical',
      text: JSON.stringify({ a: Array(4000).fill(1e15) }).replaceAll('1000000000000000', '1e15'),
      says: 'larger than 16 KiB',
    },
  ])('refuses $what', ({ text, says }) => {
    expect(() => parseCallArguments(text)).toThrow(
      expect.objectContaining({ code: 'invalid_request', message: expect.stringContaining(says) }),
    )
  })

  test('never repeats the arguments in a message', () => {
    expect(() => parseCallArguments('{"pin":"hunter2","n":1e999}')).toThrow(/^(?!.*hunter2)/)
    expect(() => parseCallArguments('{"account":90071992547409930}')).toThrow(/^(?!.*900719925474099)/)
  })

  test.each([
    ['nothing', '{}', {}],
    ['sixteen levels', nest(16), JSON.parse(nest(16))],
    ['null, which is not absent', '{"a":null}', { a: null }],
    ['the largest integer', '{"a":9007199254740991}', { a: Number.MAX_SAFE_INTEGER }],
  ])('reads %s', (_what, text, value) => {
    expect(parseCallArguments(text)).toEqual(value)
  })
})

describe('assertCallArguments', () => {
  test('measures bytes, not characters', () => {
    expect(() => assertCallArguments({ a: '€'.repeat(5_400) })).not.toThrow()
    expect(() => assertCallArguments({ a: '€'.repeat(5_500) })).toThrow('larger than 16 KiB')
  })

  test('refuses a circle instead of following it', () => {
    const circle: Record<string, unknown> = {}
    circle['a'] = circle
    expect(() => assertCallArguments(circle)).toThrow(expect.objectContaining({ code: 'invalid_request' }))
  })
})

describe('parseBindings', () => {
  test.each(
    [
      [],
      ['call'],
      ['tool', 'time'],
      ['time', 'tool', 'call'],
      ['tool', 'tool'],
      ['tool', null],
      ['Tool'],
    ].map((names) => ({ names })),
  )('refuses $names', ({ names }) => {
    expect(() => parseBindings(names)).toThrow(expect.objectContaining({ code: 'invalid_request' }))
  })

  test('reads the tool, and the tool with the call', () => {
    expect(parseBindings(['tool'])).toEqual(['tool'])
    expect(parseBindings(['call', 'tool'])).toEqual(['tool', 'call'])
  })
})

describe('a call', () => {
  test('is hashed over its salt and its canonical bytes', () => {
    const text = Buffer.from(encodeCall(CALL, salt).slice(16)).toString()
    expect(text).toBe(
      '{"args":{"amount":"10.00","invoice":"in_1"},"aud":"https://billing.example","tool":"refund","v":1}',
    )
    const expected = createHash('sha256').update(salt).update(text).digest('base64url')
    expect(hashCall(CALL, salt, sha256)).toEqual({ salt: 'BwcHBwcHBwcHBwcHBwcHBw', hash: expected })
  })

  test.each([
    { what: 'API', other: { aud: 'https://billing.example/' } },
    { what: 'tool', other: { tool: 'refund ' } },
    { what: 'amount', other: { args: { invoice: 'in_1', amount: '10.0' } } },
    { what: 'type of a value', other: { args: { invoice: 'in_1', amount: 10 } } },
    { what: 'field left out', other: { args: { invoice: 'in_1' } } },
    { what: 'field more', other: { args: { ...CALL.args, memo: null } } },
  ])('does not match with another $what', ({ other }) => {
    const claim = hashCall(CALL, salt, sha256)
    expect(matchesCall(claim, { ...CALL, ...(other as object) }, sha256)).toBe(false)
  })

  test('does not match in another Unicode normalisation', () => {
    const claim = hashCall({ ...CALL, args: { name: 'é' } }, salt, sha256)
    expect(matchesCall(claim, { ...CALL, args: { name: 'e\u0301' } }, sha256)).toBe(false)
  })

  const good = hashCall(CALL, salt, sha256)
  test.each([
    undefined,
    null,
    'x',
    {},
    { salt: good.salt },
    { hash: good.hash },
    { salt: '', hash: '' },
    { ...good, note: 'more' },
    { ...good, salt: [good.salt] },
    { ...good, hash: [good.hash] },
    { ...good, hash: `${good.hash}=` },
    // A shorter salt could be guessed.
    hashCall(CALL, salt.slice(1), sha256),
    hashCall(CALL, new Uint8Array(), sha256),
  ])('does not match a claim such as %j', (claim) => {
    expect(isCallHash(good)).toBe(true)
    expect(isCallHash(claim)).toBe(false)
    expect(matchesCall(claim, CALL, sha256)).toBe(false)
  })

  test('matches however its members were ordered, and only with its own salt', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })), (value) => {
        const args = JSON.parse(JSON.stringify(value)) as JsonObject
        const reversed = Object.fromEntries(Object.entries(args).reverse())
        fc.pre(isBindable(args))
        const claim = hashCall({ ...CALL, args }, salt, sha256)
        expect(matchesCall(claim, { ...CALL, args: reversed }, sha256)).toBe(true)
        const salted = { ...claim, salt: 'AAAAAAAAAAAAAAAAAAAAAA' }
        expect(matchesCall(salted, { ...CALL, args }, sha256)).toBe(false)
      }),
    )
  })
})

function isBindable(args: unknown): boolean {
  try {
    assertCallArguments(args)
    return true
  } catch {
    return false
  }
}
