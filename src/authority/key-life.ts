import type { AuditDraft, AuditEventType } from '../core/audit-record.js'
import { AuthsecError } from '../core/errors.js'
import {
  changeKey,
  findNextDue,
  type Key,
  type KeyPlan,
  type KeyRules,
  type KeyState,
  planActivation,
  planEmergency,
  planFirst,
  planPreparation,
  planRotation,
  planUpkeep,
} from '../core/keyset.js'
import { quote } from '../core/printable.js'
import type { Store, StoredKey, Transaction, User } from '../store/store.js'
import { type Attempt, type AuditLog, type Provenance, SERVER_ITSELF } from './audit/log.js'
import type { Envelope } from './envelope.js'
import { loadKey, makeKey } from './key-making.js'
import { KEY_PLACES, type KeyPlace, type KeyPurpose } from './key-sets.js'
import type { Keyring } from './keys.js'
import { findLiveTokens, type LiveToken } from './live-tokens.js'

/** What a change has come to. */
export interface KeyOutcome {
  /** The keys of the set, as they are now. */
  keys: readonly StoredKey[]
  /** The ids of the keys that have changed or are new. */
  changed: readonly string[]
}

/** A key that is out of use, and what it signed that has not expired. */
export interface EmergencyOutcome extends KeyOutcome {
  liveTokens: readonly LiveToken[]
}

/** The life of the keys: by command, and by itself. Every change is one transaction and one record. */
export interface KeyLife {
  /** Every key there is or was, oldest first. */
  list(): Promise<readonly StoredKey[]>
  /** Prepares a key. Throws `conflict` where one is prepared. */
  prepare(place: KeyPlace, by: User, provenance: Provenance): Promise<KeyOutcome>
  /** Lets the prepared key of a set take over. Throws `conflict` where it may not sign yet. */
  rotate(place: KeyPlace, by: User, provenance: Provenance): Promise<KeyOutcome>
  /** Lets a key take over. Throws `not_found` and `conflict`. */
  activate(kid: string, by: User, provenance: Provenance): Promise<KeyOutcome>
  /** Takes a key out of use at once. Throws `not_found` and `conflict`. */
  condemn(kid: string, to: 'tainted' | 'revoked', by: User, provenance: Provenance): Promise<EmergencyOutcome>
  /** Does what is due, and says when to come back, in milliseconds since the epoch; undefined: nothing ever is. */
  upkeep(): Promise<number | undefined>
}

/** Who else serves the keys of this store: the one place where servers agree about keys. */
export interface KeyPeers {
  /** Since when every live server has served this revision of the keys, in ms; undefined while one has not. */
  servedSince(keyRevision: number, now: number): Promise<number | undefined>
  /** Whether this server is the one that changes keys by itself. */
  leads(): Promise<boolean>
}

export interface KeyLifeOptions {
  store: Store
  envelope: Envelope
  audit: AuditLog
  keyring: Keyring
  rules: Readonly<Record<KeyPurpose, KeyRules>>
  clock: () => number
  /** Default: nobody else. */
  peers?: KeyPeers | undefined
}

type Planner = (keys: readonly Key[], now: number) => KeyPlan

// Each time another server has changed keys meanwhile, and that is rare.
const MAX_TRIES = 20

/**
 * Makes the keys that a state lacks; all that is there is opened first, because under a wrong key-encryption key
 * nothing may be added. Throws `state_unreadable`.
 */
export async function createMissingKeys(options: Omit<KeyLifeOptions, 'audit' | 'keyring'>): Promise<void> {
  const { store, envelope, rules } = options
  for (const key of await store.keys.list()) loadKey(key, envelope)
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const state = await readState(options)
    const steps = await Promise.all(
      KEY_PLACES.map(async (place) =>
        makeStep(place, state, (keys) => planFirst(keys, rules[place.purpose]), options),
      ),
    )
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

export function createKeyLife(options: KeyLifeOptions): KeyLife {
  const { store, audit, keyring, rules, clock, peers } = options

  /** Decides, makes what has to be made, and carries it out unless somebody else was faster: then decides anew. */
  async function change(place: KeyPlace, planner: Planner, attempt: Attempt, note?: (step: Step) => void) {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const state = await readState(options)
      const step = await makeStep(place, state, planner, options)
      if (step.changed.length === 0) return step
      let isStale = false
      try {
        await attempt.commit(async (transaction) => {
          isStale = !(await transaction.keys.advance(state.revision))
          if (isStale) throw contended()
          await carryOut(step, transaction)
          attempt.note({ details: describeStep(step) })
          note?.(step)
        })
      } catch (error) {
        if (isStale) continue
        throw error
      }
      await keyring.refresh()
      return step
    }
    throw contended()
  }

  function command(
    draft: AuditDraft,
    provenance: Provenance,
    place: () => Promise<KeyPlace>,
    planner: Planner,
  ) {
    return audit.attempt(draft, provenance, async (attempt) => {
      const found = await place()
      attempt.note({ details: { purpose: found.purpose, alg: found.alg } })
      const noteKid = ({ changed }: Step) => {
        const [first] = changed.filter(({ state }) => STATE_OF[draft.type] === state)
        if (first !== undefined) attempt.note({ kid: first.kid })
      }
      const step = await change(found, planner, attempt, noteKid)
      return { keys: step.keys, changed: step.changed.map(({ kid }) => kid) }
    })
  }

  async function placeOf(kid: string): Promise<KeyPlace> {
    const key = (await store.keys.list()).find((candidate) => candidate.kid === kid)
    if (key === undefined) throw new AuthsecError('not_found', `no key ${quote(kid)}`)
    return findPlace(key)
  }

  return {
    list: () => store.keys.list(),

    prepare: (place, by, provenance) =>
      command(draftOf('key.prepared', by), provenance, async () => place, planPreparation),

    rotate: (place, by, provenance) =>
      command(
        draftOf('key.activated', by),
        provenance,
        async () => place,
        (keys, now) => planRotation(keys, now, rules[place.purpose]),
      ),

    async activate(kid, by, provenance) {
      let purpose: KeyPurpose = 'call'
      const place = async () => {
        const found = await placeOf(kid)
        purpose = found.purpose
        return found
      }
      return command({ ...draftOf('key.activated', by), kid }, provenance, place, (keys, now) =>
        planActivation(keys, kid, now, rules[purpose]),
      )
    },

    async condemn(kid, to, by, provenance) {
      let purpose: KeyPurpose = 'call'
      const place = async () => {
        const found = await placeOf(kid)
        purpose = found.purpose
        return found
      }
      const draft = { ...draftOf(`key.${to}`, by), kid }
      const outcome = await command(draft, provenance, place, (keys) =>
        planEmergency(keys, kid, to, rules[purpose]),
      )
      const since = clock() - rules[purpose].overlapSeconds * 1000
      return { ...outcome, liveTokens: await findLiveTokens(audit, kid, { since, now: clock() }) }
    },

    async upkeep() {
      if (peers !== undefined && !(await peers.leads())) return undefined
      let due: number | undefined
      for (const place of KEY_PLACES) {
        const planner: Planner = (keys, now) => planUpkeep(keys, now, rules[place.purpose])
        const state = await readState(options)
        let keys = learnPublished(place, state)
        const plan = planner(keys, state.now)
        if (plan.changes.length + plan.creates.length > 0) {
          await audit.attempt({ type: typeOf(plan) }, SERVER_ITSELF, async (attempt) => {
            const step = await change(place, planner, attempt)
            // Somebody else did it meanwhile: that is a success too.
            if (step.changed.length === 0) await attempt.commit()
            keys = step.keys as (StoredKey & Key)[]
          })
        }
        const next = findNextDue(keys, rules[place.purpose])
        if (next !== undefined) due = Math.min(due ?? next, next)
      }
      return due
    },
  }
}

interface State {
  revision: number
  keys: readonly StoredKey[]
  now: number
  /** Since when everybody has served the keys that nobody was sure of. */
  servedSince: number | undefined
}

/** What one change of a set comes to. */
interface Step {
  place: KeyPlace
  /** All keys of the set afterwards. */
  keys: readonly StoredKey[]
  changed: readonly StoredKey[]
  created: ReadonlySet<string>
}

async function readState({
  store,
  clock,
  peers,
}: Pick<KeyLifeOptions, 'store' | 'clock' | 'peers'>): Promise<State> {
  // In this order: what has changed in between makes the revision old, and then nothing is done.
  const revision = await store.keys.revision()
  const keys = await store.keys.list()
  const now = clock()
  return { revision, keys, now, servedSince: peers ? await peers.servedSince(revision, now) : now }
}

async function makeStep(
  place: KeyPlace,
  state: State,
  planner: Planner,
  { envelope, peers }: Pick<KeyLifeOptions, 'envelope' | 'peers'>,
): Promise<Step> {
  const known = learnPublished(place, state)
  const { now } = state
  const plan = planner(known, now)
  const fresh = await Promise.all(plan.creates.map((to) => makeKey({ ...place, state: to }, envelope, now)))
  // Alone, a key is published with the transaction that adds it.
  const created = fresh.map((key) => (peers === undefined ? { ...key, publishedAt: now } : key))
  const after = known.map((key) => {
    const change = plan.changes.find(({ kid }) => kid === key.kid)
    return change ? changeKey(key, change.to, now) : key
  })
  const changed = after.filter((key) => !state.keys.includes(key))
  return {
    place,
    keys: [...after, ...created],
    changed: [...changed, ...created],
    created: new Set(created.map(({ kid }) => kid)),
  }
}

/** The keys of a set, each with the moment since when everybody has published it. */
function learnPublished(place: KeyPlace, { keys, servedSince }: State): readonly (StoredKey & Key)[] {
  return keys
    .filter(({ purpose, alg }) => purpose === place.purpose && alg === place.alg)
    .map((key) =>
      key.publishedAt === undefined && servedSince !== undefined
        ? { ...key, publishedAt: Math.max(servedSince, key.createdAt) }
        : key,
    ) as (StoredKey & Key)[]
}

async function carryOut({ changed, created }: Step, { keys }: Transaction): Promise<void> {
  for (const key of changed) await (created.has(key.kid) ? keys.insert(key) : keys.update(key))
}

/** What the change is called in the log, by the state that it brings about. */
const STATE_OF: Partial<Record<AuditEventType, KeyState>> = {
  'key.activated': 'active',
  'key.prepared': 'prepared',
  'key.revoked': 'revoked',
  'key.retired': 'retired',
  'key.tainted': 'tainted',
}

function typeOf({ changes, creates }: KeyPlan): AuditEventType {
  const types = Object.entries(STATE_OF) as [AuditEventType, KeyState][]
  const order: readonly KeyState[] = ['active', 'revoked', 'retired']
  const states = [...changes.map(({ to }) => to), ...creates]
  const state = order.find((each) => states.includes(each))
  return types.find(([, each]) => each === state)?.[0] ?? 'key.prepared'
}

function describeStep({ place, changed }: Step) {
  return { ...place, changes: changed.map(({ kid, state }) => ({ kid, state })) }
}

function draftOf(type: AuditEventType, by: User): AuditDraft {
  return { type, actor: { type: 'user', id: by.id } }
}

function findPlace({ purpose, alg }: StoredKey): KeyPlace {
  const place = KEY_PLACES.find((candidate) => candidate.purpose === purpose && candidate.alg === alg)
  if (place === undefined)
    throw new AuthsecError('not_found', `no set of ${quote(purpose)} keys for ${quote(alg)}`)
  return place
}

function contended(): AuthsecError {
  return new AuthsecError('temporarily_unavailable', 'another server is changing the keys')
}
