import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  AUDIT_FILTER_FIELDS,
  type AuditCondition,
  type AuditFilterField,
  concealAuditFilter,
  formatAuditFilter,
  matchesAuditFilter,
  parseAuditFilter,
} from '../../src/core/audit-filter.js'
import type { AuditEvent } from '../../src/core/audit-record.js'

const NOW = Date.parse('2026-08-21T12:00:00.250Z')
const FIELDS = Object.keys(AUDIT_FILTER_FIELDS) as AuditFilterField[]

const parse = (text: string) => parseAuditFilter(text, NOW)

describe('parseAuditFilter', () => {
  test.each([
    { text: '', message: '"" is not a filter' },
    { text: '  ', message: '"  " is not a filter' },
    { text: 'type', message: '"type" is not a filter' },
    { text: 'type=', message: '"type=" is not a filter' },
    { text: '=x', message: '"=x" is not a filter' },
    { text: 'outcome=deny type =x', message: '"type" is not a filter' },
    { text: 'outcome=deny and jti=x', message: '"and" is not a filter' },
    { text: 'TYPE=token.exchanged', message: '"TYPE=token.exchanged" is not a filter' },
    { text: 'outcome=deny email=alice', message: '"email=alice" is not a filter' },
    { text: '__proto__=x', message: '"__proto__=x" is not a filter' },
    { text: 'constructor~x', message: '"constructor~x" is not a filter' },
    { text: 'jti<x', message: '"jti<x" is not a filter' },
    { text: 'jti==x', message: '"jti==x" is not a filter' },
    { text: 'jti=~x', message: '"jti=~x" is not a filter' },
    { text: 'jti!==x', message: '"jti!==x" is not a filter' },
    { text: 'outcome=maybe', message: '"maybe" is not an outcome' },
    { text: 'outcome!=Allow', message: '"Allow" is not an outcome' },
    { text: 'type=token.stolen', message: '"token.stolen" is not an event type' },
    { text: 'type=token.*', message: '"token.*" is not an event type' },
    { text: 'type~tokens.*', message: '"tokens.*" is not an event type' },
    { text: 'type!~stolen', message: '"stolen" is not an event type' },
    { text: 'type=toString', message: '"toString" is not an event type' },
    { text: 'since=yesterday', message: '"yesterday" is not a time' },
    { text: 'until=2026-02-30T00:00:00Z', message: '"2026-02-30T00:00:00Z" is not a time' },
    { text: 'since!=1h', message: '"since!=1h" is not a filter' },
    { text: 'until~1h', message: '"until~1h" is not a filter' },
    { text: 'outcome=deny reason="x y', message: '"reason="x y" is not a filter' },
    { text: 'reason=a"b', message: '"reason=a"b" is not a filter' },
    { text: 'bad\u001b[31m=x', message: '"bad\\u001b[31m=x" is not a filter' },
    { text: 'jti=x '.repeat(21), message: '21 conditions in one filter' },
  ])('refuses $text', ({ text, message }) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'usage', message }))
  })

  test.each([
    { text: 'type=token.exchanged', conditions: [['type', '=', 'token.exchanged']] },
    { text: 'type~token.*', conditions: [['type', '~', 'token.*']] },
    { text: 'type!~READ', conditions: [['type', '!~', 'READ']] },
    { text: 'jti=a=b', conditions: [['jti', '=', 'a=b']] },
    { text: 'jti!="=b"', conditions: [['jti', '!=', '=b']] },
    {
      text: ' client=c \t outcome=deny\n',
      conditions: [
        ['client', '=', 'c'],
        ['outcome', '=', 'deny'],
      ],
    },
    { text: 'source="POST /oauth/token"', conditions: [['source', '=', 'POST /oauth/token']] },
    { text: 'txn="two\nlines"', conditions: [['txn', '=', 'two\nlines']] },
    { text: 'text~"say \\"no\\" \\\\"', conditions: [['text', '~', 'say "no" \\']] },
    { text: 'client=""', conditions: [['client', '=', '']] },
    { text: 'since=15m', conditions: [['since', '=', '2026-08-21T11:45:00.250Z']] },
    { text: 'until=2026-08-21T14:00:00+02:00', conditions: [['until', '=', '2026-08-21T12:00:00.000Z']] },
    { text: 'since=1787313600', conditions: [['since', '=', '2026-08-21T12:00:00.000Z']] },
  ])('reads $text', ({ text, conditions }) => {
    expect(parse(text)).toEqual(conditions.map(([field, operator, value]) => ({ field, operator, value })))
  })

  test.each(FIELDS.filter((field) => field !== 'type' && field !== 'outcome'))('reads %s', (field) => {
    expect(parse(`${field}=x ${field}!~x`)).toEqual([
      { field, operator: '=', value: 'x' },
      { field, operator: '!~', value: 'x' },
    ])
  })

  test('takes no longer for what is made to take long', () => {
    const started = performance.now()
    for (const text of ['"'.repeat(50_001), `${'a"'.repeat(25_000)}"`, `jti="${'\\'.repeat(50_001)}`]) {
      expect(() => parse(text)).toThrow()
    }
    const event = { type: 'token.used', jti: 'a'.repeat(50_000) } as AuditEvent
    expect(matchesAuditFilter(event, parse(`jti~${'a*'.repeat(10_000)}b`))).toBe(false)
    expect(performance.now() - started).toBeLessThan(5_000)
  })
})

describe('formatAuditFilter', () => {
  test('writes what is read again as the same, whatever it holds', () => {
    const condition: fc.Arbitrary<AuditCondition> = fc.record({
      field: fc.constantFrom(...FIELDS.filter((field) => field !== 'type' && field !== 'outcome')),
      operator: fc.constantFrom('=', '!=', '~', '!~'),
      value: fc.oneof(fc.string(), fc.constantFrom('', '"', '\\', ' ', '\\"', 'a\nb', '=', '~b', '"a b"')),
    })
    fc.assert(
      fc.property(fc.array(condition, { minLength: 1, maxLength: 5 }), (filter) => {
        expect(parse(formatAuditFilter(filter))).toEqual(filter)
      }),
    )
  })

  test('fixes an age to the instant that it meant', () => {
    expect(formatAuditFilter(parse('since=1h'))).toBe('since=2026-08-21T11:00:00.250Z')
  })
})

describe('concealAuditFilter', () => {
  const token = `eyJhbGciOiJFUzI1NiJ9.${'x'.repeat(120)}.y`
  test.each([
    ['client=bot outcome=deny type~token.*', 'client=bot outcome=deny type~token.*'],
    ['text~alice@authsec.test', 'text~…'],
    ['text!~alice type=token.issued', 'text!~… type=token.issued'],
    ['user=alice@authsec.test', 'user=…'],
    [`jti=${token}`, 'jti=…'],
  ])('writes %s as it may be kept', (text, kept) => {
    expect(concealAuditFilter(parseAuditFilter(text, 0))).toBe(kept)
  })
})

describe('matchesAuditFilter', () => {
  const event: AuditEvent = {
    v: 1,
    id: 'event-1',
    log: 'authsec/1',
    tenant: 't',
    boot: 'b',
    occurred_at: '2026-08-21T12:00:00.000Z',
    type: 'token.exchanged',
    outcome: 'deny',
    reason: 'invalid_scope',
    actor: { type: 'client', id: 'C2' },
    subject: { type: 'user', id: 'alice' },
    act: { sub: 'spiffe://2', client_id: 'c2', act: { sub: 'spiffe://1', client_id: 'c1' } },
    client: 'c2',
    aud: ['https://billing.example', 'https://orders.example'],
    permissions: { asked: ['billing:refund'], granted: ['billing:read'] },
    details: { tool: 'Refund Tool' },
    source: 'POST /oauth/token',
  }

  test.each([
    ['outcome=deny', true],
    ['outcome!=deny', false],
    ['outcome!=allow', true],
    ['jti=x', false],
    ['jti!=x', true],
    ['jti~*', false],
    ['jti!~*', true],
    ['type~token.*', true],
    ['type~TOKEN', true],
    ['type~token', true],
    ['type~*.used', false],
    ['type~*.exchanged', true],
    ['type~t*n.*d', true],
    ['type!~client', true],
    ['agent=c1', true],
    ['agent=c2', true],
    ['agent=c3', false],
    ['user=alice', true],
    ['user=C2', false],
    ['actor=C2', true],
    ['actor=c2', false],
    ['actor~c2', true],
    ['aud=https://orders.example', true],
    ['aud=https://orders', false],
    ['aud~orders', true],
    ['aud!=https://billing.example', false],
    ['permission=billing:refund', true],
    ['permission=billing:read', true],
    ['permission=billing:write', false],
    ['text~"refund tool"', true],
    ['text~spiffe://1', true],
    ['text~nothing', false],
    ['text!~nothing', true],
    ['source="POST /oauth/token"', true],
    ['since=2026-08-21T12:00:00Z', true],
    ['since=2026-08-21T12:00:00.001Z', false],
    ['until=2026-08-21T12:00:00Z', false],
    ['until=2026-08-21T12:00:00.001Z', true],
    ['outcome=deny client=c2 aud~billing', true],
    ['outcome=deny client=c1', false],
  ])('says of %s: %s', (text, expected) => {
    expect(matchesAuditFilter(event, parse(text))).toBe(expected)
  })

  test.each([
    ['abc', 'a*b*c', true],
    ['abc', 'ab*bc', false],
    ['abcbc', 'ab*bc', true],
    ['ab', 'ab*ab', false],
    ['abab', 'ab*ab', true],
    ['', '*', true],
    ['a*b', 'a*b', true],
    ['aXXb', 'A**B', true],
    ['ba', 'a*', false],
  ])('fits %j to %s: %s', (jti, pattern, expected) => {
    expect(matchesAuditFilter({ ...event, jti }, parse(`jti~${pattern}`))).toBe(expected)
  })
})
