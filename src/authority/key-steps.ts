import { AuthsecError } from '../core/errors.js'
import { changeKey, isOver, type Key, type KeyPlan, type KeyRules, planFirst } from '../core/keyset.js'
import type { Store, StoredKey, Transaction } from '../store/store.js'
import type { Envelope } from './envelope.js'
import type { StoreEnvelope } from './kek-check.js'
import { forgetPrivatePart, makeKey, openKey } from './key-making.js'
import {
  findActive,
  isIn,
  KEY_PLACES,
  type KeyPlace,
  type KeyRulesByPurpose,
  keepPromises,
} from './key-sets.js'
import { findPromises } from './timings.js'

/** Who else serves the keys of this store: the one place where servers agree about keys. */
export interface KeyPeers {
  /** Since when every live server has served this revision of the keys, in ms; undefined while one has not. */
  servedSince(keyRevision: number, now: number): Promise<number | undefined>
  /** Whether this server is the one that changes keys by itself. */
  leads(): Promise<boolean>
}

/** What a change of keys needs. */
export interface KeyStepOptions {
  store: Store
  envelope: StoreEnvelope
  /** Of the timings of this server. */
  rules: KeyRulesByPurpose
  clock: () => number
  /** Default: nobody else. */
  peers?: KeyPeers | undefined
  /**
   * How many milliseconds the clock of this machine lacks of the database's, which `clock` goes wrong by too; throws
   * where nothing may be decided by it. Default: 0, where this machine has the store.
   */
  findLag?: (() => Promise<number>) | undefined
}

/** Decides what has to be done to a set. */
export type Planner = (keys: readonly Key[], now: number, rules: KeyRules) => KeyPlan

// Each time another server has changed keys meanwhile, and that is rare.
export const MAX_TRIES = 20

/**
 * Makes the keys that a state lacks; all that is there is opened first, because under a wrong key-encryption key, and to
 * a set that is not as a server leaves it, nothing may be added. Throws `state_unreadable`.
 */
export async function createMissingKeys(options: KeyStepOptions): Promise<void> {
  const { store, envelope } = options
  const stored = await store.keys.list()
  for (const key of stored) openKey(key, envelope)
  for (const place of KEY_PLACES) {
    if (stored.some(isIn(place))) findActive(stored, place)
  }
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const state = await readState(options)
    const steps = await makeFirstSteps(state, options)
    if (steps.every(({ changed }) => changed.length === 0)) return
    const isDone = await store.write(async (transaction) => {
      if (!(await transaction.keys.advance(state.revision))) return false
      for (const step of steps) await carryOut(step, transaction)
      return true
    })
    if (isDone) return
  }
  throw contended()
}

/** What is known of the keys, at one revision of them. */
export interface KeysState {
  revision: number
  keys: readonly StoredKey[]
  now: number
  /** Since when everybody has served the keys that nobody was sure of. */
  servedSince: number | undefined
  /** By which it is decided what becomes of them. */
  rules: KeyRulesByPurpose
}

/** What one change of a set comes to. */
export interface KeyStep {
  place: KeyPlace
  /** All keys of the set afterwards. */
  keys: readonly StoredKey[]
  /** Those of another state than before, and new ones. */
  changed: readonly StoredKey[]
  /** Those of which nothing is new but that everybody publishes them: no reason for a step, but kept with one. */
  learned: readonly StoredKey[]
  created: ReadonlySet<string>
}

/** Reads the keys as they are now. Throws `state_unreadable` where what is sealed now would open nowhere. */
export async function readState(options: KeyStepOptions): Promise<KeysState> {
  const { store, envelope, clock, peers, findLag } = options
  // In this order: what has changed in between makes the revision old, and then nothing is done.
  const revision = await store.keys.revision()
  const keys = await store.keys.list()
  await envelope.assertSameState(store)
  const lag = findLag ? await findLag() : 0
  const now = clock() + lag
  const rules = await readRules(options, now)
  return { revision, keys, now, rules, servedSince: peers ? await peers.servedSince(revision, now) : now }
}

/** The rules as they are at a moment: those of this server, and what servers before it have promised. */
export async function readRules(
  { store, rules }: Pick<KeyStepOptions, 'store' | 'rules'>,
  now: number,
): Promise<KeyRulesByPurpose> {
  return keepPromises(rules, await findPromises(store), now)
}

/** Decides what has to be done to a set, and makes the keys that are missing: outside of any transaction. */
export async function makeStep(
  place: KeyPlace,
  state: KeysState,
  planner: Planner,
  { envelope, peers }: { envelope: Envelope; peers?: KeyPeers | undefined },
): Promise<KeyStep> {
  const known = learnPublished(place, state)
  const { now, rules } = state
  const plan = planner(known, now, rules[place.purpose])
  const fresh = await Promise.all(plan.creates.map((to) => makeKey({ ...place, state: to }, envelope, now)))
  // Alone, a key is published with the transaction that adds it.
  const created = fresh.map((key) => (peers === undefined ? { ...key, publishedAt: now } : key))
  const after = known.map((key) => {
    const change = plan.changes.find(({ kid }) => kid === key.kid)
    if (change === undefined) return key
    const next = changeKey(key, change.to, now)
    return isOver(next) ? forgetPrivatePart(next, envelope) : next
  })
  // In the order of the plan, which is that of what happens.
  const rank = ({ kid }: StoredKey) => plan.changes.findIndex((change) => change.kid === kid)
  const changed = after.filter((key) => rank(key) >= 0).sort((a, b) => rank(a) - rank(b))
  return {
    place,
    keys: [...after, ...created],
    changed: [...changed, ...created],
    learned: after.filter((key) => rank(key) < 0 && !state.keys.includes(key)),
    created: new Set(created.map(({ kid }) => kid)),
  }
}

/** Makes the keys that are missing in any of the sets. */
export function makeFirstSteps(
  state: KeysState,
  options: { envelope: Envelope; peers?: KeyPeers | undefined },
): Promise<KeyStep[]> {
  const planner: Planner = (keys, _now, rules) => planFirst(keys, rules)
  return Promise.all(KEY_PLACES.map((place) => makeStep(place, state, planner, options)))
}

/** The keys of a set, each with the moment since when everybody has published it. */
export function learnPublished(
  place: KeyPlace,
  { keys, servedSince }: KeysState,
): readonly (StoredKey & Key)[] {
  return keys
    .filter(isIn(place))
    .map((key) =>
      key.publishedAt === undefined && servedSince !== undefined
        ? { ...key, publishedAt: Math.max(servedSince, key.createdAt) }
        : key,
    ) as (StoredKey & Key)[]
}

/** Writes what a step comes to. */
export async function carryOut({ changed, learned, created }: KeyStep, { keys }: Transaction): Promise<void> {
  for (const key of [...learned, ...changed])
    await (created.has(key.kid) ? keys.insert(key) : keys.update(key))
}

/** What is thrown where another server has been faster; it is no fault. */
export function contended(): AuthsecError {
  return new AuthsecError('temporarily_unavailable', 'another server is changing the keys')
}
