import { AuthsecError } from '../core/errors.js'
import { assertJwtLength, type ParsedJwt, parseJwt } from '../core/jwt.js'
import type { Algorithm } from './algorithm.js'
import { assertChecks, type Presented } from './check.js'
import { GENUINENESS_CHECKS, KEYLESS_CHECKS, TIME_CHECKS } from './checks.js'
import { isOneTime } from './demand-checks.js'
import { canMeanKey } from './header-checks.js'
import type { KeyQuery, VerificationKey } from './jwk.js'
import { normalizeType, PROFILES, type Profile, type ProfileName } from './profile.js'
import type { Settings } from './settings.js'
import { signatures } from './signature.js'
import { createTokenCache } from './token-cache.js'
import type { Trust, TrustByProfile, TrustSource } from './trust.js'

/** Finds out whether a token is genuine, whatever a route may demand of it. */
export interface Authentication {
  /** Throws the first refusal. */
  authenticate(token: string): Promise<Presented>
  authenticateSync(token: string): Presented
  /** Looks at a token without a verdict; throws `token_malformed` only. */
  examine(token: string): Promise<Presented>
}

/** A genuine token, and the key that made it one. */
interface Remembered {
  presented: Presented
  query: KeyQuery
  key: VerificationKey | undefined
}

export function createAuthentication(settings: Settings, source: TrustSource): Authentication {
  const cache = settings.tokenCache && createTokenCache<Remembered>({ ...settings, ...settings.tokenCache })

  // The type names the profile. One that is not accepted is measured by the first that is, and refused for its type.
  function chooseProfile(jwt: ParsedJwt): Profile {
    const typ = normalizeType(jwt.header['typ'])
    const name = settings.profiles.find((name) => PROFILES[name].types.includes(typ))
    return PROFILES[name ?? (settings.profiles[0] as ProfileName)]
  }

  function present(jwt: ParsedJwt, trusted: TrustByProfile): Presented {
    const profile = chooseProfile(jwt)
    return {
      header: jwt.header,
      claims: jwt.claims,
      profile,
      trust: trusted.get(profile.name) as Trust,
      settings,
      expect: {},
      now: settings.clock() / 1000,
      isSigned: undefined,
    }
  }

  // A token that was genuine is so as long as its key is published; looking for the key also keeps keys fresh.
  function recall(token: string, known: Remembered, key: VerificationKey | undefined): Presented | undefined {
    if (key !== known.key) {
      cache?.drop(token)
      return undefined
    }
    const presented = { ...known.presented, now: settings.clock() / 1000 }
    assertChecks(TIME_CHECKS, presented)
    return presented
  }

  function accept(
    token: string,
    presented: Presented,
    query: KeyQuery,
    key: VerificationKey | undefined,
  ): Presented {
    assertChecks(GENUINENESS_CHECKS, presented)
    // From here on requests may share it.
    deepFreeze(presented.claims)
    if (cache !== undefined && !isOneTime(presented.claims)) {
      cache.store(token, { presented, query, key }, Number(presented.claims['exp']) * 1000)
    }
    return presented
  }

  return {
    async authenticate(token) {
      const known = cache?.find(readToken(token))
      const key = known && (await known.presented.trust.keys.find(known.query))
      const recalled = known && recall(token, known, key)
      if (recalled !== undefined) return recalled

      const jwt = parseJwt(token)
      const presented = present(jwt, await source.learn())
      assertChecks(KEYLESS_CHECKS, presented)
      const query = queryKey(jwt)
      const found = await presented.trust.keys.find(query)
      presented.isSigned = await isSignedBy(found, query, jwt)
      return accept(token, presented, query, found)
    },

    authenticateSync(token) {
      const known = cache?.find(readToken(token))
      const key = known?.presented.trust.keys.findLoaded(known.query)
      const recalled = known && recall(token, known, key)
      if (recalled !== undefined) return recalled

      const jwt = parseJwt(token)
      const presented = present(jwt, source.learned())
      assertChecks(KEYLESS_CHECKS, presented)
      const query = queryKey(jwt)
      const found = presented.trust.keys.findLoaded(query)
      // Whoever calls this has made sure that the answer is no promise.
      presented.isSigned = isSignedBy(found, query, jwt) as boolean
      return accept(token, presented, query, found)
    },

    async examine(token) {
      const jwt = parseJwt(readToken(token))
      const presented = present(jwt, await source.learn())
      if (canMeanKey(presented)) {
        const query = queryKey(jwt)
        presented.isSigned = await isSignedBy(await presented.trust.keys.find(query), query, jwt)
      }
      return presented
    },
  }
}

function readToken(token: string): string {
  // Whoever calls from JavaScript may hand over anything.
  if (typeof token !== 'string') throw new AuthsecError('token_malformed', 'the token is not a text')
  // The cache would hash all of it.
  assertJwtLength(token)
  return token
}

// The checks before it have seen to the types: `alg` is one that is allowed, `kid` a text or absent.
function queryKey({ header }: ParsedJwt): KeyQuery {
  return { id: header['kid'] as string | undefined, algorithm: header['alg'] as Algorithm }
}

function isSignedBy(
  key: VerificationKey | undefined,
  { algorithm }: KeyQuery,
  { signingInput, signature }: ParsedJwt,
): boolean | Promise<boolean> {
  return key !== undefined && signatures.verify(algorithm, key.publicKey, signingInput, signature)
}

function deepFreeze(value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  for (const member of Object.values(value)) deepFreeze(member)
  Object.freeze(value)
}
