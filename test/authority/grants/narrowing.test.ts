import fc from 'fast-check'
import { decodeJwt } from 'jose'
import { expect, test } from 'vitest'
import type { CallClaims } from '../../../src/core/claims.js'
import { AuthsecError } from '../../../src/core/errors.js'
import { type AuthorityBench, openBench, START } from '../../support/authority-bench.js'

const APIS: Record<string, readonly string[]> = {
  'https://billing.example': ['billing:read', 'billing:refund'],
  'https://profile.example': ['profile:read'],
  'https://orders.example': ['orders:read'],
  'https://elsewhere.example': [],
}
const URIS = Object.keys(APIS)
const PERMISSIONS = ['billing:read', 'billing:refund', 'orders:read', 'profile:read', 'admin:access']

const requests = fc.record({
  audience: fc.subarray(URIS.slice(0, 3), { minLength: 1 }),
  lifetime: fc.integer({ min: 1, max: 400 }),
  /** How much of its life has passed, in percent. */
  age: fc.integer({ min: 0, max: 105 }),
  /** How far the clock moves at each reading. */
  step: fc.integer({ min: 0, max: 400 }),
  resource: fc.constantFrom(...URIS, 'https://billing.example'),
  scope: fc.option(fc.subarray(PERMISSIONS, { minLength: 1, maxLength: 2 }), { nil: undefined, freq: 1 }),
  ttl: fc.option(fc.integer({ min: -1, max: 310 }), { nil: undefined }),
})
type Request = typeof requests extends fc.Arbitrary<infer R> ? R : never

test('whatever is asked, a call token only ever narrows: audience, permissions and expiry', async () => {
  const bench = await openBench()
  let issued = 0
  await fc.assert(
    fc.asyncProperty(requests, async (request) => {
      const claims = await ask(bench, request)
      if (claims !== undefined) issued++
    }),
    { numRuns: 300 },
  )
  // A property about tokens says nothing where there are none.
  expect(issued).toBeGreaterThan(10)
})

async function ask(bench: AuthorityBench, request: Request): Promise<CallClaims | undefined> {
  const { audience, lifetime, age, step, resource, scope, ttl } = request
  bench.clock.now = START
  const { token } = await bench.grant(audience, lifetime)
  const parent = decodeJwt(token) as { exp: number; permissions: string[]; jti: string }
  bench.clock.now += lifetime * 10 * age
  bench.tick(step)
  const answer = await bench
    .exchange(token, { resource, scope: scope?.join(' '), ttl_seconds: ttl?.toString() })
    .catch((error) => {
      if (AuthsecError.is(error)) return undefined
      throw error
    })
  bench.tick(0)
  if (answer === undefined) return undefined

  const claims = decodeJwt<CallClaims>(answer.access_token)
  expect(claims.parent_jti).toBe(parent.jti)
  expect(audience).toContain(claims.aud)
  expect(claims.aud).toBe(resource)
  expect(claims.exp).toBeLessThanOrEqual(parent.exp)
  expect(claims.exp - claims.iat).toBeLessThanOrEqual(Math.min(ttl ?? 60, 300))
  expect(claims.exp - claims.iat).toBe(answer.expires_in)
  expect(claims.scope).toBe(claims.permissions.join(' '))
  const beyond = claims.permissions.filter(
    (permission) => !parent.permissions.includes(permission) || !APIS[resource]?.includes(permission),
  )
  expect(beyond).toEqual([])
  if (scope !== undefined) expect(claims.permissions).toEqual([...scope].sort())
  return claims
}
