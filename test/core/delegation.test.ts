import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ActorClaim } from '../../src/core/claims.js'
import {
  ANY_RESOURCE,
  AUTHSEC_AUDIENCE,
  baseLifetime,
  callLifetime,
  chainDepth,
  DEFAULT_BASE_TTL,
  DEFAULT_CALL_TTL,
  extendChain,
  grantedResources,
  MAX_BASE_TTL,
  MAX_CALL_TTL,
  MAX_CHAIN_DEPTH,
  reachesResource,
} from '../../src/core/delegation.js'

const NOW = 1_769_850_000
const FAR = NOW + 86_400

describe('callLifetime', () => {
  test.each([0, -1, 301, 1.5, 1e9, Number.NaN, Number.POSITIVE_INFINITY])(
    'refuses to be asked for %d seconds',
    (asked) => {
      expect(() => callLifetime(asked, FAR, NOW)).toThrow(
        expect.objectContaining({ code: 'invalid_request' }),
      )
    },
  )

  test.each([
    { why: 'expired', parent: NOW - 1 },
    { why: 'expires now', parent: NOW },
    { why: 'has less than a second left', parent: NOW + 0.9 },
    { why: 'has no expiry', parent: Number.NaN },
  ])('refuses a parent that $why', ({ parent }) => {
    expect(() => callLifetime(60, parent, NOW)).toThrow(expect.objectContaining({ code: 'invalid_grant' }))
  })

  test.each([
    { asked: undefined, parent: FAR, seconds: DEFAULT_CALL_TTL },
    { asked: 1, parent: FAR, seconds: 1 },
    { asked: 300, parent: FAR, seconds: MAX_CALL_TTL },
    { asked: 300, parent: NOW + 42, seconds: 42 },
    { asked: undefined, parent: NOW + 10, seconds: 10 },
    { asked: 60, parent: NOW + 1, seconds: 1 },
    { asked: 60, parent: NOW + 1.9, seconds: 1 },
  ])('gives $seconds s when $asked s are asked for', ({ asked, parent, seconds }) => {
    expect(callLifetime(asked, parent, NOW)).toBe(seconds)
  })

  test('never outlives the parent, the maximum or what was asked for, and is a whole second or more', () => {
    const instant = fc.double({ min: 0, max: 1e10, noNaN: true })
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 300 }),
        instant,
        fc.double({ min: 1, max: 1e6, noNaN: true }),
        (asked, now, left) => {
          fc.pre(now + left - now >= 1)
          const seconds = callLifetime(asked, now + left, now)
          expect(Number.isInteger(seconds)).toBe(true)
          expect(seconds).toBeGreaterThanOrEqual(1)
          expect(seconds).toBeLessThanOrEqual(Math.min(asked, MAX_CALL_TTL, now + left - now))
        },
      ),
    )
  })
})

describe('baseLifetime', () => {
  test.each([
    { asked: undefined, policy: 86_400, seconds: DEFAULT_BASE_TTL },
    { asked: 0, policy: 86_400, seconds: DEFAULT_BASE_TTL },
    { asked: -5, policy: 86_400, seconds: DEFAULT_BASE_TTL },
    { asked: Number.NaN, policy: 86_400, seconds: DEFAULT_BASE_TTL },
    { asked: undefined, policy: 600, seconds: 600 },
    { asked: 900, policy: 600, seconds: 600 },
    { asked: 900, policy: 86_400, seconds: 900 },
    { asked: 1e9, policy: 1e9, seconds: MAX_BASE_TTL },
    { asked: 90.9, policy: 600, seconds: 90 },
  ])('gives $seconds s when $asked s are asked for and the policy allows $policy s', (row) => {
    expect(baseLifetime(row.asked, row.policy)).toBe(row.seconds)
  })

  test('never exceeds the policy or 24 hours', () => {
    fc.assert(
      fc.property(fc.option(fc.double(), { nil: undefined }), fc.integer({ min: 1 }), (asked, policy) => {
        const seconds = baseLifetime(asked, policy)
        expect(Number.isInteger(seconds)).toBe(true)
        expect(seconds).toBeGreaterThanOrEqual(1)
        expect(seconds).toBeLessThanOrEqual(Math.min(policy, MAX_BASE_TTL))
      }),
    )
  })
})

describe('grantedResources', () => {
  const BILLING = 'https://billing.example'
  const ORDERS = 'https://orders.example'

  test.each([
    { why: 'an audience outside the policy', policy: [BILLING], audience: [ORDERS], granted: [] },
    { why: 'no audience', policy: [BILLING], audience: [], granted: [] },
    { why: 'no policy resource', policy: [], audience: [AUTHSEC_AUDIENCE, ORDERS], granted: [] },
    { why: 'a star in the audience alone', policy: [BILLING], audience: [ANY_RESOURCE], granted: [] },
    { why: 'a prefix', policy: [BILLING], audience: ['https://billing'], granted: [] },
    {
      why: 'another spelling',
      policy: [BILLING],
      audience: [`${BILLING}/`, 'HTTPS://billing.example'],
      granted: [],
    },
    { why: 'one of two', policy: [BILLING, ORDERS], audience: [ORDERS], granted: [ORDERS] },
    {
      why: 'authsec-api',
      policy: [BILLING, ORDERS],
      audience: [AUTHSEC_AUDIENCE],
      granted: [BILLING, ORDERS],
    },
    {
      why: 'authsec-api beside another',
      policy: [BILLING],
      audience: [AUTHSEC_AUDIENCE, ORDERS],
      granted: [BILLING],
    },
    { why: 'any resource', policy: [ANY_RESOURCE], audience: [ORDERS, ORDERS], granted: [ORDERS] },
    { why: 'everything', policy: [ANY_RESOURCE], audience: [AUTHSEC_AUDIENCE], granted: [ANY_RESOURCE] },
  ])('grants for $why: $granted', ({ policy, audience, granted }) => {
    expect(grantedResources(policy, audience)).toEqual(granted)
  })

  test('never reaches a resource that the policy or the audience does not', () => {
    const name = fc.constantFrom(BILLING, ORDERS, 'https://profile.example', AUTHSEC_AUDIENCE, ANY_RESOURCE)
    const names = fc.array(name, { maxLength: 5 })
    fc.assert(
      fc.property(names, names, name, (policy, audience, resource) => {
        fc.pre(!policy.includes(AUTHSEC_AUDIENCE))
        if (!reachesResource(grantedResources(policy, audience), resource)) return
        expect(reachesResource(policy, resource)).toBe(true)
        expect(
          audience.includes(AUTHSEC_AUDIENCE) ||
            audience.includes(resource) ||
            audience.includes(ANY_RESOURCE),
        ).toBe(true)
      }),
    )
  })
})

describe('reachesResource', () => {
  test.each([
    { resources: [], resource: 'https://a.example', reaches: false },
    { resources: ['https://a.example'], resource: 'https://a.example/', reaches: false },
    { resources: ['https://a.example'], resource: 'https://a.example', reaches: true },
    { resources: [ANY_RESOURCE], resource: 'https://a.example', reaches: true },
  ])('$resources reaches $resource: $reaches', ({ resources, resource, reaches }) => {
    expect(reachesResource(resources, resource)).toBe(reaches)
  })
})

describe('extendChain', () => {
  test('refuses a chain that would name more than five actors', () => {
    const five = chainOf(MAX_CHAIN_DEPTH)
    expect(chainDepth(five)).toBe(MAX_CHAIN_DEPTH)
    expect(() => extendChain({ sub: 'spiffe://t/x', client_id: 'x' }, five)).toThrow(
      expect.objectContaining({ code: 'invalid_request' }),
    )
  })

  test('puts the current actor outermost and keeps the history as it was', () => {
    const chain = chainOf(2)
    expect(extendChain({ sub: 'spiffe://t/new', client_id: 'new' }, chain)).toEqual({
      sub: 'spiffe://t/new',
      client_id: 'new',
      act: chain,
    })
  })

  test('copies nothing but the two names of the actor', () => {
    const actor = { sub: 'spiffe://t/a', client_id: 'a', exp: 1, act: { sub: 'x', client_id: 'x' } }
    expect(extendChain(actor)).toEqual({ sub: 'spiffe://t/a', client_id: 'a' })
  })
})

describe('chainDepth', () => {
  test('counts no actor as none', () => {
    expect(chainDepth(undefined)).toBe(0)
  })
})

function chainOf(length: number): ActorClaim {
  let chain = extendChain({ sub: 'spiffe://t/0', client_id: '0' })
  for (let index = 1; index < length; index++) {
    chain = extendChain({ sub: `spiffe://t/${index}`, client_id: String(index) }, chain)
  }
  return chain
}
