import { describe, expect, test } from 'vitest'
import {
  createVerifier,
  type DelegationVerifier,
  type Expectation,
  type VerifierOptions,
} from '../../src/verify/index.js'
import { BASE_KEY, BILLING, CALL_KEY, ISSUED_AT, ISSUER, TENANT } from './token-issuer.js'

/** A token that no verifier may let through, and how it has to be refused. */
export interface RefusedToken {
  why: string
  token: string
  code: string
  message?: string
  auditId?: string
  verifier?: DelegationVerifier
  expect?: Expectation
}

/** A verifier of the test issuer's call tokens at the moment of their issuance. */
export function verifyCalls(options: Partial<VerifierOptions> = {}): DelegationVerifier {
  return createVerifier({
    issuer: ISSUER,
    jwks: { keys: [CALL_KEY.jwk] },
    audience: BILLING,
    tenant: TENANT,
    clock: () => ISSUED_AT,
    ...options,
  })
}

/** The same for its base tokens. */
export function verifyBase(options: Partial<VerifierOptions> = {}): DelegationVerifier {
  return createVerifier({
    jwks: { keys: [BASE_KEY.jwk] },
    audience: BILLING,
    tenant: TENANT,
    profiles: ['base'],
    clock: () => ISSUED_AT,
    ...options,
  })
}

/** Each token is refused by `verify`, `verifySync` and `inspect` alike. */
export function describeRefusals(kind: string, cases: readonly RefusedToken[]): void {
  describe(kind, () => {
    test.each(cases)('refuses a token: $why', async (refused) => {
      const { token, code, message, auditId, verifier = verifyCalls() } = refused
      const refusal = {
        name: 'AuthsecError',
        code,
        retryable: false,
        ...(message !== undefined && { message }),
        ...(auditId !== undefined && { auditId }),
      }
      await expect(verifier.verify(token, refused.expect)).rejects.toMatchObject(refusal)
      expect(() => verifier.verifySync(token, refused.expect)).toThrow(expect.objectContaining(refusal))

      const { verified, checks } = await verifier.inspect(token, refused.expect)
      expect(verified).toBe(false)
      expect(checks.find(({ outcome }) => outcome === 'failed')).toMatchObject({
        code,
        ...(message !== undefined && { detail: message }),
      })
    })
  })
}
