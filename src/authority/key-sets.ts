import { MAX_BASE_TTL, MAX_CALL_TTL } from '../core/delegation.js'
import { assertKeyRules, type KeyRules } from '../core/keyset.js'
import type { CallAlgorithm } from '../store/store.js'
import type { SigningAlgorithm } from './signer.js'

/** What a key is for; one key never serves two purposes. */
export type KeyPurpose = 'call' | 'base' | 'session'

/** A set of keys of which one signs. */
export interface KeyPlace {
  purpose: KeyPurpose
  alg: SigningAlgorithm
}

/** The timings that can be chosen, in seconds. */
export interface KeyTimings {
  /** How long a key of call tokens is published before it signs; default 660, because verifiers cache for 10 minutes. */
  publishSeconds?: number | undefined
  /** How long a key signs before the next one takes over; default 30 days. */
  rotateSeconds?: number | undefined
  /** How far the clock of a verifier may be off; default 60. */
  skewSeconds?: number | undefined
}

/** In which algorithms call tokens can be signed; the first unless a resource asks for another. */
export const CALL_ALGORITHMS: readonly CallAlgorithm[] = ['ES256', 'RS256', 'EdDSA']

/** Every set of keys that a server has. */
export const KEY_PLACES: readonly KeyPlace[] = [
  ...CALL_ALGORITHMS.map((alg) => ({ purpose: 'call', alg }) as const),
  { purpose: 'base', alg: 'RS256' },
  { purpose: 'session', alg: 'HS256' },
]

const PUBLISH_SECONDS = 660
const ROTATE_SECONDS = 30 * 86_400
const SKEW_SECONDS = 60
const MAX_SESSION_TTL = 86_400

/** The rules of each purpose; throws `configuration` for timings that do not go together. */
export function createKeyRules(timings: KeyTimings): Readonly<Record<KeyPurpose, KeyRules>> {
  const {
    publishSeconds = PUBLISH_SECONDS,
    rotateSeconds = ROTATE_SECONDS,
    skewSeconds = SKEW_SECONDS,
  } = timings
  const rules: Record<KeyPurpose, KeyRules> = {
    call: { publishSeconds, rotateSeconds, overlapSeconds: MAX_CALL_TTL + skewSeconds, keepsPrepared: true },
    // AuthSec's bundle holds one key: there is nothing to publish in advance, and nothing rotates by itself.
    base: {
      publishSeconds: 0,
      rotateSeconds: undefined,
      overlapSeconds: MAX_BASE_TTL + skewSeconds,
      keepsPrepared: false,
    },
    // Nobody but the server checks a session.
    session: {
      publishSeconds: 0,
      rotateSeconds,
      overlapSeconds: MAX_SESSION_TTL + skewSeconds,
      keepsPrepared: true,
    },
  }
  for (const each of Object.values(rules)) assertKeyRules(each)
  return rules
}
