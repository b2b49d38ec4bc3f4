import { formatDuration } from './duration.js'
import { AuthsecError } from './errors.js'
import { quote } from './printable.js'

/**
 * Where a key is in its life. `prepared`: published, not signing yet. `active`: signs. `retiring`: signs no more, and
 * what it signed may still be alive. `retired`: gone. `tainted`: suspect, signs no more, still published. `revoked`:
 * gone at once.
 */
export type KeyState = (typeof STATES)[number]

const STATES = ['prepared', 'active', 'retiring', 'retired', 'tainted', 'revoked'] as const

/** One key of a set: the keys of one purpose and algorithm, one of which signs. Times in milliseconds since the epoch. */
export interface Key {
  kid: string
  state: KeyState
  createdAt: number
  /** Since when every server has published it; undefined while one may not have. */
  publishedAt?: number | undefined
  activatedAt?: number | undefined
  /** When it signed last, or would have. */
  stoppedAt?: number | undefined
}

/** The timings of a set, in seconds. */
export interface KeyRules {
  /** How long a key has to be published before it signs: as long as a verifier may keep an older key set. */
  publishSeconds: number
  /** How long a key signs; undefined where only a person replaces it. */
  rotateSeconds: number | undefined
  /** How long a token may live that a key signed last, with the tolerance of verifiers. */
  overlapSeconds: number
  /** Whether one key is always prepared, so that nothing has to wait when another one is needed. */
  keepsPrepared: boolean
}

/** One step: what becomes of a key. */
export interface KeyChange {
  kid: string
  to: KeyState
}

/** What has to be done to a set, in one step: some keys change, and new ones are made. */
export interface KeyPlan {
  changes: readonly KeyChange[]
  /** In which states new keys are made. */
  creates: readonly ('prepared' | 'active')[]
}

const MAX_AGE_SECONDS = 300

/** Whether a text is a state. */
export function isKeyState(text: string): text is KeyState {
  return STATES.some((state) => state === text)
}

/** Whether verifiers are given a key. */
export function isPublished({ state }: Pick<Key, 'state'>): boolean {
  return state === 'prepared' || state === 'active' || state === 'retiring' || state === 'tainted'
}

/**
 * Whether the server itself takes a token for its own that the key signed. A prepared one counts: another server may
 * have activated it a moment ago.
 */
export function isTrusted({ state }: Pick<Key, 'state'>): boolean {
  return state === 'prepared' || state === 'active' || state === 'retiring'
}

/** Whether nothing becomes of a key any more: it neither signs nor counts, and never will again. */
export function isOver({ state }: Pick<Key, 'state'>): boolean {
  return state === 'retired' || state === 'revoked'
}

/**
 * Throws `configuration` for timings under which a key would be replaced before the next one may sign, or while what
 * the one before it signed is still alive.
 */
export function assertKeyRules({ publishSeconds, rotateSeconds, overlapSeconds }: KeyRules): void {
  if (rotateSeconds === undefined) return
  const least = Math.max(publishSeconds, overlapSeconds, 1)
  if (rotateSeconds >= least) return
  throw new AuthsecError('configuration', `keys cannot be replaced every ${rotateSeconds} seconds`, {
    hint: `A key is published for ${formatDuration(publishSeconds)} before it signs (--publish-ahead), and what it signs lives for ${formatDuration(overlapSeconds)} (--max-call-ttl, --clock-skew): take at least ${formatDuration(least)} (--rotate-every).`,
  })
}

/** How long a verifier may keep a key set, in seconds: no longer than a new key waits before it signs. */
export function findMaxAge({ publishSeconds }: KeyRules): number {
  return Math.min(MAX_AGE_SECONDS, Math.floor(publishSeconds / 2))
}

/** From when a key may sign, in milliseconds since the epoch; undefined while it is not published everywhere. */
export function findEarliestUse({ publishedAt }: Key, { publishSeconds }: KeyRules): number | undefined {
  return publishedAt === undefined ? undefined : publishedAt + publishSeconds * 1000
}

/**
 * When the next step of a key comes, in milliseconds since the epoch: it may sign, another one may take over, or it is
 * gone. Undefined where nothing comes by itself.
 */
export function findDue(key: Key, rules: KeyRules): number | undefined {
  const { state, createdAt, activatedAt = createdAt, stoppedAt = createdAt } = key
  switch (state) {
    case 'prepared':
      return findEarliestUse(key, rules)
    case 'active':
      return rules.rotateSeconds === undefined ? undefined : activatedAt + rules.rotateSeconds * 1000
    case 'retiring':
    case 'tainted':
      return stoppedAt + rules.overlapSeconds * 1000
    default:
      return undefined
  }
}

/** Makes the first keys of a new set, which nobody can know an older form of. A set that has keys is only completed. */
export function planFirst(keys: readonly Key[], rules: KeyRules): KeyPlan {
  return settle(keys, { changes: [], creates: keys.length === 0 ? ['active'] : [] }, rules)
}

/** Prepares a key; throws `conflict` where one is prepared already. */
export function planPreparation(keys: readonly Key[]): KeyPlan {
  const prepared = findPrepared(keys)
  if (prepared === undefined) return { changes: [], creates: ['prepared'] }
  throw new AuthsecError('conflict', `the key ${quote(prepared.kid)} is prepared already`, {
    hint: 'Activate it, or taint it where it must not be used.',
  })
}

/** Lets the prepared key take over. Throws `conflict` where none is, or it has not been published for long enough. */
export function planRotation(keys: readonly Key[], now: number, rules: KeyRules): KeyPlan {
  const next = findPrepared(keys)
  if (next !== undefined) return planActivation(keys, next.kid, now, rules)
  if (rules.publishSeconds > 0) {
    throw new AuthsecError('conflict', 'no key is prepared', {
      hint: 'Prepare one with: authsec keys prepare.',
    })
  }
  return settle(keys, { changes: stopActive(keys), creates: ['active'] }, rules)
}

/**
 * Lets a prepared key take over. Throws `not_found`, and `conflict` where it is not prepared or has not been published
 * for long enough.
 */
export function planActivation(keys: readonly Key[], kid: string, now: number, rules: KeyRules): KeyPlan {
  const key = findKey(keys, kid)
  if (key.state !== 'prepared') {
    throw new AuthsecError('conflict', `the key ${quote(kid)} is ${key.state}, not prepared`)
  }
  const earliest = findEarliestUse(key, rules)
  if (earliest === undefined) {
    throw new AuthsecError('conflict', `the key ${quote(kid)} is not served by every server yet`, {
      hint: 'Try again: each takes it up within a second, and one that is gone counts until its lease ends. If the active key is suspect, taint it: that does not wait.',
    })
  }
  if (now < earliest) {
    const wait = Math.ceil((earliest - now) / 1000)
    throw new AuthsecError('conflict', `the key ${quote(kid)} may sign in ${wait} seconds`, {
      hint: 'Verifiers may still hold a key set without it. If the active key is suspect, taint it: that does not wait.',
    })
  }
  return settle(keys, { changes: [...stopActive(keys), { kid, to: 'active' }], creates: [] }, rules)
}

/**
 * Takes a key out of use at once, suspect or compromised; if it was the active one, the prepared one takes over
 * without waiting. Throws `not_found`, and `conflict` where it is out of use already.
 */
export function planEmergency(
  keys: readonly Key[],
  kid: string,
  to: 'tainted' | 'revoked',
  rules: KeyRules,
): KeyPlan {
  const key = findKey(keys, kid)
  if (isOver(key) || key.state === to)
    throw new AuthsecError('conflict', `the key ${quote(kid)} is ${key.state} already`)
  const next = key.state === 'active' ? findPrepared(keys) : undefined
  const changes: KeyChange[] = [{ kid, to }, ...(next ? [{ kid: next.kid, to: 'active' } as const] : [])]
  const creates = key.state === 'active' && next === undefined ? (['active'] as const) : []
  return settle(keys, { changes, creates }, rules)
}

/** What is due by itself: keys that have had their time go, the prepared one takes over, the next one is prepared. */
export function planUpkeep(keys: readonly Key[], now: number, rules: KeyRules): KeyPlan {
  const gone = keys.flatMap(({ kid, state, stoppedAt = 0 }): KeyChange[] => {
    if (now < stoppedAt + rules.overlapSeconds * 1000) return []
    if (state === 'retiring') return [{ kid, to: 'retired' }]
    return state === 'tainted' ? [{ kid, to: 'revoked' }] : []
  })
  const next = isRotationDue(keys, now, rules) ? planRotation(keys, now, rules) : planFirst(keys, rules)
  return { changes: [...gone, ...next.changes], creates: next.creates }
}

/** When something is due by itself next, in milliseconds since the epoch; undefined when nothing ever is. */
export function findNextDue(keys: readonly Key[], rules: KeyRules): number | undefined {
  const times = keys.flatMap(({ state, stoppedAt = 0 }) =>
    state === 'retiring' || state === 'tainted' ? [stoppedAt + rules.overlapSeconds * 1000] : [],
  )
  const rotation = findRotationDue(keys, rules)
  if (rotation !== undefined) times.push(rotation)
  return times.length === 0 ? undefined : Math.min(...times)
}

/** A key after a change at `now`. */
export function changeKey<K extends Key>(key: K, to: KeyState, now: number): K {
  if (to === 'active') return { ...key, state: to, activatedAt: now }
  return { ...key, state: to, stoppedAt: key.state === 'active' ? now : (key.stoppedAt ?? now) }
}

function isRotationDue(keys: readonly Key[], now: number, rules: KeyRules): boolean {
  const due = findRotationDue(keys, rules)
  return due !== undefined && now >= due
}

// Not before the prepared one may sign.
function findRotationDue(keys: readonly Key[], rules: KeyRules): number | undefined {
  const active = keys.find(({ state }) => state === 'active')
  if (active === undefined || rules.rotateSeconds === undefined) return undefined
  const end = (active.activatedAt ?? active.createdAt) + rules.rotateSeconds * 1000
  const next = findPrepared(keys)
  if (next === undefined) return rules.publishSeconds === 0 ? end : undefined
  const earliest = findEarliestUse(next, rules)
  return earliest === undefined ? undefined : Math.max(end, earliest)
}

/** Adds what a plan leaves undone: where one key is always prepared, another one. */
function settle(keys: readonly Key[], { changes, creates }: KeyPlan, rules: KeyRules): KeyPlan {
  const changed = new Set(changes.map(({ kid }) => kid))
  const isReady = keys.some(({ kid, state }) => state === 'prepared' && !changed.has(kid))
  return { changes, creates: isReady || !rules.keepsPrepared ? creates : [...creates, 'prepared'] }
}

// There is never more than one.
function findPrepared(keys: readonly Key[]): Key | undefined {
  return keys.find(({ state }) => state === 'prepared')
}

function stopActive(keys: readonly Key[]): KeyChange[] {
  return keys.filter(({ state }) => state === 'active').map(({ kid }) => ({ kid, to: 'retiring' }))
}

function findKey(keys: readonly Key[], kid: string): Key {
  const key = keys.find((candidate) => candidate.kid === kid)
  if (key === undefined) throw new AuthsecError('not_found', `no key ${quote(kid)}`)
  return key
}
