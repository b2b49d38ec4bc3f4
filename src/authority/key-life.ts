import type { AuditDraft, AuditEventType } from '../core/audit-record.js'
import { AuthsecError } from '../core/errors.js'
import {
  findDue,
  findMaxAge,
  findNextDue,
  type Key,
  type KeyPlan,
  type KeyState,
  planActivation,
  planEmergency,
  planPreparation,
  planRotation,
  planUpkeep,
} from '../core/keyset.js'
import { quote } from '../core/printable.js'
import type { StoredKey, User } from '../store/store.js'
import { type Attempt, type AuditLog, type Provenance, SERVER_ITSELF } from './audit/log.js'
import { nameVerifierKey } from './audit/log-key.js'
import { isIn, KEY_PLACES, type KeyPlace } from './key-sets.js'
import {
  carryOut,
  contended,
  type KeyStep,
  type KeyStepOptions,
  type KeysState,
  learnPublished,
  MAX_TRIES,
  makeStep,
  type Planner,
  readRules,
  readState,
} from './key-steps.js'
import type { Keyring } from './keys.js'
import { findLiveTokens, type LiveTokens } from './live-tokens.js'

/** What a change has come to. */
export interface KeyOutcome {
  /** The keys of the set, as they are now. */
  keys: readonly StoredKey[]
  /** The ids of the keys that have changed or are new. */
  changed: readonly string[]
}

/** A key that is out of use, and what it signed that has not expired. */
export interface EmergencyOutcome extends KeyOutcome {
  liveTokens: LiveTokens
}

/** A key and when its next step comes, in milliseconds since the epoch; undefined where none comes by itself. */
export interface DueKey extends StoredKey {
  dueAt?: number | undefined
}

/** The life of the keys: by command, and by itself. Every change is one transaction and one record. */
export interface KeyLife {
  /** How long verifiers may keep the key set of call tokens, in seconds. */
  readonly maxAge: number
  /** Every key there is or was, oldest first. */
  list(): Promise<readonly DueKey[]>
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

export interface KeyLifeOptions extends KeyStepOptions {
  audit: AuditLog
  keyring: Keyring
  /** The origin of the log, by which its own keys are named. */
  logId: string
}

export function createKeyLife(options: KeyLifeOptions): KeyLife {
  const { store, audit, keyring, logId, rules, clock, peers } = options

  /** Decides, makes what has to be made, and carries it out unless somebody else was faster: then decides anew. */
  async function change(place: KeyPlace, planner: Planner, attempt: Attempt, note?: (step: KeyStep) => void) {
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
          attempt.note({ details: describeStep(step, logId) })
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
      const noteKid = ({ changed }: KeyStep) => {
        const [first] = changed.filter(({ state }) => STATE_OF[draft.type] === state)
        if (first !== undefined) attempt.note({ kid: first.kid })
      }
      const step = await change(found, planner, attempt, noteKid)
      return { keys: step.keys, changed: step.changed.map(({ kid }) => kid) }
    })
  }

  /** Keeps what is known of who has published what: a server that is started later must not put it off. */
  async function keepPublished(state: KeysState): Promise<KeysState> {
    const { keys, servedSince } = state
    const fresh = keys.filter(({ publishedAt }) => publishedAt === undefined)
    if (fresh.length === 0 || servedSince === undefined) return state
    await store.write(async (transaction) => {
      for (const { kid, createdAt } of fresh) {
        await transaction.keys.notePublished(kid, Math.max(servedSince, createdAt))
      }
    })
    return readState(options)
  }

  async function placeOf(kid: string): Promise<KeyPlace> {
    const key = (await store.keys.list()).find((candidate) => candidate.kid === kid)
    if (key === undefined) throw new AuthsecError('not_found', `no key ${quote(kid)}`)
    return findPlace(key)
  }

  return {
    maxAge: findMaxAge(rules.call),

    async list() {
      const keys = await store.keys.list()
      const inUse = await readRules(options, clock())
      return keys.map((key) => ({ ...key, dueAt: findDue(key as Key, inUse[findPlace(key).purpose]) }))
    },

    prepare: (place, by, provenance) =>
      command(draftOf('key.prepared', by), provenance, async () => place, planPreparation),

    rotate: (place, by, provenance) =>
      command(draftOf('key.activated', by), provenance, async () => place, planRotation),

    activate: (kid, by, provenance) =>
      command(
        { ...draftOf('key.activated', by), kid },
        provenance,
        () => placeOf(kid),
        (keys, now, rules) => planActivation(keys, kid, now, rules),
      ),

    async condemn(kid, to, by, provenance) {
      const draft = { ...draftOf(`key.${to}`, by), kid }
      const planner: Planner = (keys, _now, rules) => planEmergency(keys, kid, to, rules)
      const outcome = await command(draft, provenance, () => placeOf(kid), planner)
      const now = clock()
      const { purpose } = await placeOf(kid)
      const { overlapSeconds } = (await readRules(options, now))[purpose]
      const since = now - overlapSeconds * 1000
      return { ...outcome, liveTokens: await findLiveTokens(audit, kid, { since, now }) }
    },

    async upkeep() {
      if (peers !== undefined && !(await peers.leads())) return undefined
      let state = await keepPublished(await readState(options))
      const dues: number[] = []
      for (const place of KEY_PLACES) {
        const plan = planUpkeep(learnPublished(place, state), state.now, state.rules[place.purpose])
        if (plan.changes.length + plan.creates.length > 0) {
          const type = typeOf(plan)
          // The record is named before it is known who was faster: what is due then, and is something else, is next.
          const named: Planner = (...asked) => {
            const next = planUpkeep(...asked)
            return typeOf(next) === type ? next : NOTHING
          }
          await audit.attempt({ type }, SERVER_ITSELF, async (attempt) => {
            const { changed } = await change(place, named, attempt)
            if (changed.length === 0) throw contended()
          })
          state = await readState(options)
        }
        const next = findNextDue(learnPublished(place, state), state.rules[place.purpose])
        dues.push(next ?? Number.POSITIVE_INFINITY)
      }
      const due = Math.min(...dues)
      return due === Number.POSITIVE_INFINITY ? undefined : due
    },
  }
}

const NOTHING: KeyPlan = { changes: [], creates: [] }

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

// A key that signs the log from now on is named as its verifiers know it: who trusts the former one learns of it here.
function describeStep({ place, changed }: KeyStep, logId: string) {
  const heirs = place.purpose === 'audit' ? changed.filter(({ state }) => state === 'active') : []
  return {
    ...place,
    changes: changed.map(({ kid, state }) => ({ kid, state })),
    ...(heirs.length > 0 && { verifier_keys: heirs.map((key) => nameVerifierKey(key, logId)) }),
  }
}

function draftOf(type: AuditEventType, by: User): AuditDraft {
  return { type, actor: { type: 'user', id: by.id } }
}

function findPlace(key: StoredKey): KeyPlace {
  const place = KEY_PLACES.find((candidate) => isIn(candidate)(key))
  if (place !== undefined) return place
  throw new AuthsecError('not_found', `no set of ${quote(key.purpose)} keys for ${quote(key.alg)}`)
}
