import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createKeyOfRequest, formatCallKey, formatParties } from '../../src/sdk/call-key.js'
import type { CallRequest, DelegationRequest } from '../../src/sdk/request.js'

const BILLING = 'https://billing.example'
const PROFILE = 'https://profile.example'

describe('formatCallKey', () => {
  const text = fc.oneof(fc.string(), fc.constantFrom('', '1', '1:', ',', 'p1', 't', 's1', '3:a:b'))
  const parts = fc.record({
    audience: text,
    permissions: fc.option(
      fc.uniqueArray(text, { maxLength: 3 }).map((list) => list.sort()),
      { nil: undefined },
    ),
    tool: fc.option(text, { nil: undefined }),
    ttlSeconds: fc.option(fc.integer({ min: 1, max: 300 }), { nil: undefined }),
    isBound: fc.boolean(),
  })
  type Parts = Pick<CallRequest, 'audience' | 'permissions' | 'tool' | 'ttlSeconds'> & { isBound: boolean }
  const keyOf = ({ audience, permissions, tool, ttlSeconds, isBound }: Parts) =>
    formatCallKey('1|', audience, permissions, tool, ttlSeconds, isBound)

  test('never gives two requests one key', () => {
    fc.assert(
      fc.property(parts, parts, (one, other) => {
        fc.pre(JSON.stringify(one) !== JSON.stringify(other))
        expect(keyOf(one)).not.toBe(keyOf(other))
      }),
      { numRuns: 2_000 },
    )
  })

  test('does not care in which order, or how often, a permission is named', () => {
    const list = fc.array(fc.constantFrom('a:r', 'b:r', 'c:r', 'd:w'), { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(list, (permissions) => {
        const tidy = [...new Set(permissions)].sort()
        const key = formatCallKey('1|', BILLING, permissions, undefined, undefined)
        expect(key).toBe(formatCallKey('1|', BILLING, tidy, undefined, undefined))
      }),
    )
  })

  test('tells everything that remains from any list, and a slash at the end from none', () => {
    const all = formatCallKey('', BILLING, undefined, undefined, undefined)
    expect(formatCallKey('', BILLING, ['billing:read'], undefined, undefined)).not.toBe(all)
    expect(formatCallKey('', `${BILLING}/`, undefined, undefined, undefined)).not.toBe(all)
  })
})

test('parties never look like other parties', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), fc.array(fc.string()), (one, other) => {
      fc.pre(JSON.stringify(one) !== JSON.stringify(other))
      expect(formatParties(one)).not.toBe(formatParties(other))
    }),
  )
})

describe('the key of a request', () => {
  const request = { audience: BILLING, permissions: ['billing:read'] }

  test('is the same whether or not the last request was the same', () => {
    const texts = fc.array(fc.constantFrom('a:r', 'b:r', 'c:w'), { maxLength: 2 })
    const anything = fc.record(
      {
        audience: fc.constantFrom<unknown>(BILLING, PROFILE, undefined, 7),
        permissions: fc.oneof(texts, fc.constantFrom<unknown>(undefined, null, 'a:r', [7])),
        tool: fc.constantFrom<unknown>(undefined, 'read', 'write', 7),
        binding: fc.constantFrom<unknown>(undefined, 'none', 'tool', 'call', 'else'),
        ttlSeconds: fc.constantFrom<unknown>(undefined, 30, 60, Number.NaN),
        call: fc.constantFrom<unknown>(undefined, {}),
        oneTime: fc.constantFrom<unknown>(undefined, false, true),
      },
      { requiredKeys: [] },
    )
    const asked = fc.tuple(fc.constantFrom('1|', '2|'), anything as fc.Arbitrary<DelegationRequest>)
    fc.assert(
      fc.property(fc.array(asked, { maxLength: 4 }), (series) => {
        const keyOf = createKeyOfRequest()
        for (const [prefix, one] of series.flatMap((each) => [each, each])) {
          expect(keyOf(prefix, one)).toBe(createKeyOfRequest()(prefix, one))
        }
      }),
      { numRuns: 1_000 },
    )
  })

  test.each<{ why: string; change: (request: DelegationRequest & { permissions: string[] }) => void }>([
    { why: 'a permission more', change: ({ permissions }) => permissions.push('billing:refund') },
    { why: 'another permission', change: ({ permissions }) => permissions.fill('billing:refund') },
    { why: 'a permission less', change: ({ permissions }) => permissions.pop() },
    { why: 'another audience', change: (one) => Object.assign(one, { audience: `${BILLING}/` }) },
    { why: 'a tool', change: (one) => Object.assign(one, { tool: 'read' }) },
    { why: 'a binding', change: (one) => Object.assign(one, { tool: 'read', binding: 'tool' }) },
    { why: 'a lifetime', change: (one) => Object.assign(one, { ttlSeconds: 30 }) },
    { why: 'one use', change: (one) => Object.assign(one, { oneTime: true }) },
    { why: 'arguments', change: (one) => Object.assign(one, { call: {} }) },
  ])('is another one after the caller has changed the request: $why', ({ change }) => {
    const keyOf = createKeyOfRequest()
    const changing = structuredClone(request)
    const before = keyOf('1|', changing)
    change(changing)
    expect(keyOf('1|', changing)).not.toBe(before)
    expect(keyOf('1|', request)).toBe(before)
  })

  test('is none where something only looks like text', () => {
    const keyOf = createKeyOfRequest()
    const posing = { length: 12, toString: () => 'billing:read' }
    expect(keyOf('1|', { ...request, permissions: [posing] as never })).toBeUndefined()
    expect(keyOf('1|', { ...request, audience: posing as never })).toBeUndefined()
    expect(keyOf('1|', { ...request, tool: posing as never })).toBeUndefined()
  })
})
