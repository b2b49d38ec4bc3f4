import { MAX_BASE_TTL, MAX_CALL_TTL } from '../core/delegation.js'
import { AuthsecError } from '../core/errors.js'
import { assertKeyRules, type KeyRules } from '../core/keyset.js'
import { quote } from '../core/printable.js'
import type { CallAlgorithm, StoredKey } from '../store/store.js'
import type { SigningAlgorithm } from './signer.js'

/** What a key is for; one key never serves two purposes. */
export type KeyPurpose = 'call' | 'base' | 'session' | 'audit'

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
  /** The longest life of a call token; default and at most 300. */
  maxCallTtl?: number | undefined
  /** How far the clock of a verifier may be off; default 60. */
  skewSeconds?: number | undefined
}

/** Every timing, chosen or not. */
export type CompleteKeyTimings = { [name in keyof KeyTimings]-?: number }

/** In which algorithms call tokens can be signed; the first unless a resource asks for another. */
export const CALL_ALGORITHMS: readonly CallAlgorithm[] = ['ES256', 'RS256', 'EdDSA']

/** Every set of keys that a server has. */
export const KEY_PLACES: readonly KeyPlace[] = [
  ...CALL_ALGORITHMS.map((alg) => ({ purpose: 'call', alg }) as const),
  { purpose: 'base', alg: 'RS256' },
  { purpose: 'session', alg: 'HS256' },
  { purpose: 'audit', alg: 'EdDSA' },
]

/** The set of a purpose, of its first algorithm unless another one is named. Throws `invalid_request`. */
export function parseKeyPlace(purpose: string, alg: string | undefined): KeyPlace {
  const places = KEY_PLACES.filter((place) => place.purpose === purpose)
  const place = alg === undefined ? places[0] : places.find((candidate) => candidate.alg === alg)
  if (place !== undefined) return place
  const [name, value, known] =
    places.length === 0
      ? ['purpose', purpose, KEY_PLACES.map((each) => each.purpose)]
      : ['alg', alg, places.map((each) => each.alg)]
  throw new AuthsecError('invalid_request', `there are no keys of the ${name} ${quote(value)}`, {
    hint: `Known: ${[...new Set(known)].join(', ')}.`,
  })
}

/** Whether a key belongs to a set. */
export function isIn({ purpose, alg }: KeyPlace): (key: Pick<StoredKey, 'purpose' | 'alg'>) => boolean {
  return (key) => key.purpose === purpose && key.alg === alg
}

/** The one key of a set that signs. Throws `state_unreadable` where there is none, or more than one. */
export function findActive<K extends Pick<StoredKey, 'purpose' | 'alg' | 'state'>>(
  keys: readonly K[],
  place: KeyPlace,
): K {
  const { purpose, alg } = place
  const found = keys.filter(isIn(place)).filter(({ state }) => state === 'active')
  const [key, ...more] = found
  if (key !== undefined && more.length === 0) return key
  const what =
    key === undefined ? `is no active ${purpose} key` : `are ${found.length} active ${purpose} keys`
  throw new AuthsecError('state_unreadable', `there ${what} for ${alg} in this state`, {
    hint: 'Its keys are not as a server leaves them: restore the state from a backup.',
  })
}

const DEFAULTS: CompleteKeyTimings = {
  publishSeconds: 660,
  rotateSeconds: 30 * 86_400,
  maxCallTtl: MAX_CALL_TTL,
  skewSeconds: 60,
}
const MAX_SESSION_TTL = 86_400
/** How long the key of the log that was active before signs along, so that whoever trusts it learns of the next. */
const AUDIT_OVERLAP_SECONDS = 7 * 86_400

/** Fills in what has not been chosen. Throws `configuration` for what is no time, and for tokens that live too long. */
export function completeTimings(chosen: KeyTimings): CompleteKeyTimings {
  const given = Object.fromEntries(Object.entries(chosen).filter(([, value]) => value !== undefined))
  const timings = { ...DEFAULTS, ...given }
  for (const [name, seconds] of Object.entries(timings)) {
    if (!Number.isSafeInteger(seconds) || seconds < 0) {
      throw new AuthsecError('configuration', `${name} ${quote(seconds)} is not a whole number of seconds`)
    }
  }
  const { maxCallTtl } = timings
  if (maxCallTtl >= 1 && maxCallTtl <= MAX_CALL_TTL) return timings
  throw new AuthsecError('configuration', `call tokens cannot live ${maxCallTtl} seconds`, {
    hint: `Verifiers take them for 1 to ${MAX_CALL_TTL} seconds: correct --max-call-ttl.`,
  })
}

/** What others rely on for a while: how long a key is published before it signs, and how long it stays after. */
export type Promised = 'publish' | 'call' | 'base' | 'session'

/** What timings promise, in seconds. */
export function listPromises({
  publishSeconds,
  maxCallTtl,
  skewSeconds,
}: Omit<CompleteKeyTimings, 'rotateSeconds'>): Readonly<Record<Promised, number>> {
  return {
    publish: publishSeconds,
    call: maxCallTtl + skewSeconds,
    base: MAX_BASE_TTL + skewSeconds,
    session: MAX_SESSION_TTL + skewSeconds,
  }
}

/** What former timings have promised, as long as somebody may rely on it: `until` in milliseconds since the epoch. */
export type Promises = Readonly<Partial<Record<Promised, { seconds: number; until: number }>>>

/** The rules of every purpose. */
export type KeyRulesByPurpose = Readonly<Record<KeyPurpose, KeyRules>>

/** Rules that keep what former timings have promised too. */
export function keepPromises(rules: KeyRulesByPurpose, promises: Promises, now: number): KeyRulesByPurpose {
  const atLeast = (seconds: number, promised: Promised) => {
    const promise = promises[promised]
    return promise !== undefined && now < promise.until ? Math.max(seconds, promise.seconds) : seconds
  }
  const prolong = (purpose: KeyPurpose & Promised) => ({
    ...rules[purpose],
    overlapSeconds: atLeast(rules[purpose].overlapSeconds, purpose),
  })
  return {
    ...rules,
    call: { ...prolong('call'), publishSeconds: atLeast(rules.call.publishSeconds, 'publish') },
    base: prolong('base'),
    session: prolong('session'),
  }
}

/** The rules of each purpose; throws `configuration` for timings that do not go together. */
export function createKeyRules(timings: CompleteKeyTimings): KeyRulesByPurpose {
  const { publishSeconds, rotateSeconds } = timings
  const { call, base, session } = listPromises(timings)
  const rules: Record<KeyPurpose, KeyRules> = {
    call: { publishSeconds, rotateSeconds, overlapSeconds: call, keepsPrepared: true },
    // AuthSec's bundle holds one key: there is nothing to publish in advance, and nothing rotates by itself.
    base: {
      publishSeconds: 0,
      rotateSeconds: undefined,
      overlapSeconds: base,
      keepsPrepared: false,
    },
    // Nobody but the server checks a session, which lives longer than a call key may sign.
    session: {
      publishSeconds: 0,
      rotateSeconds: Math.max(rotateSeconds, session),
      overlapSeconds: session,
      keepsPrepared: true,
    },
    // People have written it down: only a person replaces it.
    audit: {
      publishSeconds: 0,
      rotateSeconds: undefined,
      overlapSeconds: AUDIT_OVERLAP_SECONDS,
      keepsPrepared: false,
    },
  }
  for (const each of Object.values(rules)) assertKeyRules(each)
  return rules
}
