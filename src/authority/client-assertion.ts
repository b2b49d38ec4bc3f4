import { AuthsecError } from '../core/errors.js'
import { isNumericDate, type ParsedJwt, parseJwt } from '../core/jwt.js'
import { quote } from '../core/printable.js'
import type { Json } from '../core/strict-json.js'
import type { Store } from '../store/store.js'
import { hasClientSignature, parseClientKeys } from './client-keys.js'
import { useAssertion } from './used-assertions.js'

/** The longest life of an assertion, in seconds, clocks included: it is made for one request. */
const MAX_ASSERTION_LIFE = 300
const CLOCK_TOLERANCE = 30
const TYPES: readonly (Json | undefined)[] = [undefined, 'JWT', 'jwt', 'client-authentication+jwt']

/** A JWT with which a client proves who it is, and the keys it has registered. */
export interface ClientAssertion {
  clientId: string
  assertion: string
  /** A JWK Set as JSON text. */
  jwks: string | undefined
}

/**
 * Checks a client's assertion (RFC 7523 §3): signed with a key it has registered, about itself, for this server
 * only, alive for minutes, and never used before. Throws `invalid_client`.
 */
export async function assertAssertion(
  { clientId, assertion, jwks }: ClientAssertion,
  { store, clock, audiences }: { store: Store; clock: () => number; audiences: readonly string[] },
): Promise<void> {
  const parsed = parseJwt(assertion)
  if (jwks === undefined || !hasClientSignature(parseClientKeys(jwks), parsed)) {
    throw failed('no registered key has signed it')
  }
  if (!TYPES.includes(parsed.header['typ'])) throw failed(`its type is ${quote(parsed.header['typ'])}`)

  const { jti, expiresAt } = readClaims(parsed, { clientId, audiences, now: clock() / 1000 })
  const use = { clientId, id: jti, expiresAt: (expiresAt + CLOCK_TOLERANCE) * 1000 }
  const isFirst = await store.write((transaction) => useAssertion(use, transaction))
  if (!isFirst) throw failed('it has been used before')
}

function readClaims(
  { claims }: ParsedJwt,
  { clientId, audiences, now }: { clientId: string; audiences: readonly string[]; now: number },
): { jti: string; expiresAt: number } {
  const { iss, sub, aud, exp, iat, nbf, jti } = claims as Record<string, Json>
  if (iss !== sub || typeof sub !== 'string' || sub.toLowerCase() !== clientId) {
    throw failed('iss and sub have to be the client')
  }
  // Every one of several: what another server would accept as well could have been taken from there.
  const named = Array.isArray(aud) ? aud : [aud]
  if (named.length === 0 || !named.every((name) => typeof name === 'string' && audiences.includes(name))) {
    throw failed(`its audience is not ${quote(audiences[0], 200)} alone`)
  }
  if (typeof jti !== 'string' || jti === '') throw failed('it has no jti')
  if (!isNumericDate(exp)) throw failed('it has no exp')
  if (exp + CLOCK_TOLERANCE <= now) throw failed('it has expired')
  if (exp > now + MAX_ASSERTION_LIFE + CLOCK_TOLERANCE) {
    throw failed(`it lives longer than ${MAX_ASSERTION_LIFE} seconds`)
  }
  for (const begin of [iat, nbf]) {
    if (begin !== undefined && !(isNumericDate(begin) && begin <= now + CLOCK_TOLERANCE))
      throw failed('it begins later')
  }
  return { jti, expiresAt: exp }
}

function failed(why: string): AuthsecError {
  return new AuthsecError('invalid_client', `the client assertion is refused: ${why}`)
}
