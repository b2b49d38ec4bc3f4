import { AuthsecError } from '../core/errors.js'
import { type ParsedJwt, parseJwt } from '../core/jwt.js'
import type { Algorithm } from './algorithm.js'
import type { Check, Presented } from './check.js'
import { KEYED_CHECKS, KEYLESS_CHECKS } from './checks.js'
import { toDelegation, type VerifiedDelegation } from './delegation.js'
import { assertExpectation, type Expectation } from './expectation.js'
import { canMeanKey } from './header-checks.js'
import { type Inspection, reportChecks, reportUnreadable } from './inspection.js'
import type { KeyQuery } from './jwk.js'
import { readOptions, type VerifierOptions } from './options.js'
import { normalizeType, PROFILES, type Profile, type ProfileName } from './profile.js'
import { createTrustSource, type Trust, type TrustByProfile } from './trust.js'

/** Verifies delegation tokens for one API. */
export interface DelegationVerifier {
  /** Loads the metadata and keys of the server, so that the first token need not wait and `verifySync` works. */
  warm(): Promise<void>
  /**
   * Tells what a token says if every check holds (in the order of `CheckName`), and otherwise throws the first
   * refusal as an `AuthsecError`. Throws `network`, `timed_out` or `server_error`, all retryable, when the keys
   * could not be had: then nothing is said about the token.
   */
  verify(token: string, expect?: Expectation): Promise<VerifiedDelegation>
  /**
   * The same without waiting, from the keys at hand; they are renewed in the background. Throws `configuration`
   * before `warm()` has ended.
   */
  verifySync(token: string, expect?: Expectation): VerifiedDelegation
  /** Evaluates every check instead of stopping at the first refusal: for people who wonder what is wrong. */
  inspect(token: string, expect?: Expectation): Promise<Inspection>
}

const NOTHING_EXPECTED: Expectation = {}

/**
 * Creates the verifier of an API. Throws a `TypeError` or `configuration` for options that cannot work; asks no
 * server before the first token or `warm()`.
 */
export function createVerifier(options: VerifierOptions): DelegationVerifier {
  const settings = readOptions(options)
  const source = createTrustSource(settings)

  // The type names the profile. One that is not accepted is measured by the first that is, and refused for its type.
  function chooseProfile(jwt: ParsedJwt): Profile {
    const typ = normalizeType(jwt.header['typ'])
    const name = settings.profiles.find((name) => PROFILES[name].types.includes(typ))
    return PROFILES[name ?? (settings.profiles[0] as ProfileName)]
  }

  function present(jwt: ParsedJwt, trusted: TrustByProfile, expect: Expectation): Presented {
    const profile = chooseProfile(jwt)
    return {
      header: jwt.header,
      claims: jwt.claims,
      signingInput: jwt.signingInput,
      signature: jwt.signature,
      profile,
      trust: trusted.get(profile.name) as Trust,
      settings,
      expect,
      now: settings.clock() / 1000,
      key: undefined,
    }
  }

  return {
    async warm() {
      const trusted = await source.learn()
      await Promise.all([...trusted.values()].map(({ keys }) => keys.load()))
    },

    async verify(token, expect = NOTHING_EXPECTED) {
      assertExpectation(expect)
      const jwt = parseToken(token)
      const presented = present(jwt, await source.learn(), expect)
      assertChecks(KEYLESS_CHECKS, presented)
      presented.key = await presented.trust.keys.find(queryKey(jwt))
      assertChecks(KEYED_CHECKS, presented)
      return toDelegation(presented.profile.name, presented.claims)
    },

    verifySync(token, expect = NOTHING_EXPECTED) {
      assertExpectation(expect)
      const jwt = parseToken(token)
      const presented = present(jwt, source.learned(), expect)
      assertChecks(KEYLESS_CHECKS, presented)
      presented.key = presented.trust.keys.findLoaded(queryKey(jwt))
      assertChecks(KEYED_CHECKS, presented)
      return toDelegation(presented.profile.name, presented.claims)
    },

    async inspect(token, expect = NOTHING_EXPECTED) {
      assertExpectation(expect)
      let jwt: ParsedJwt
      try {
        jwt = parseToken(token)
      } catch (error) {
        if (AuthsecError.is(error)) return reportUnreadable(error)
        throw error
      }
      const presented = present(jwt, await source.learn(), expect)
      if (canMeanKey(presented)) presented.key = await presented.trust.keys.find(queryKey(jwt))
      return reportChecks(presented)
    },
  }
}

function parseToken(token: string): ParsedJwt {
  // Whoever calls from JavaScript may hand over anything.
  if (typeof token !== 'string') throw new AuthsecError('token_malformed', 'the token is not a text')
  return parseJwt(token)
}

function assertChecks(checks: readonly Check[], presented: Presented): void {
  for (const check of checks) {
    const refusal = check.refuse(presented)
    if (refusal !== undefined) throw refusal
  }
}

// The checks before it have seen to the types: `alg` is one that is allowed, `kid` a text or absent.
function queryKey({ header }: ParsedJwt): KeyQuery {
  return { id: header['kid'] as string | undefined, algorithm: header['alg'] as Algorithm }
}
