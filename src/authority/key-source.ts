import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { Queries, Store } from '../store/store.js'
import { createEnvelope, type Envelope } from './envelope.js'
import { createKek } from './kek.js'
import type { StoreEnvelope } from './kek-check.js'
import { type FileKey, formatJwk } from './key-files.js'
import { type NewKeyState, sealKey } from './key-making.js'
import { isIn, type KeyPlace, parseKeyPlace } from './key-sets.js'
import { contended, type KeyStepOptions, MAX_TRIES, readState } from './key-steps.js'

/**
 * Where the keys of a server come from. `persistent`: from its state, which makes them once. `ephemeral`: from its
 * start, and nothing that an earlier run signed counts any more. Otherwise from somebody who wants the same keys in
 * every new state.
 */
export type KeySource = 'persistent' | 'ephemeral' | { imported: readonly FileKey[] }

/** The setting that says that the keys of the last run cannot be opened any more. */
const EPHEMERAL_SETTING = 'ephemeral_keys'
/** A log outlives every run, and whoever checks it knows its key. */
const KEPT_PURPOSE = 'audit'

/**
 * The envelope for what is sealed while a server runs. Keys that are not to outlive the run are sealed under a key
 * that is never written down: whatever becomes of the process, nobody can open them afterwards.
 */
export function createRunEnvelope(
  envelope: StoreEnvelope,
  source: KeySource,
  storeId: string,
): StoreEnvelope {
  if (source !== 'ephemeral') return envelope
  const passing = createEnvelope(createKek(), storeId)
  const choose: (place: { table: string; purpose: string }) => Envelope = ({ table, purpose }) =>
    table === 'keys' && purpose !== `${KEPT_PURPOSE} key` ? passing : envelope
  return {
    ...envelope,
    seal: (plain, place) => choose(place).seal(plain, place),
    open: (sealed, place) => choose(place).open(sealed, place),
  }
}

/** Throws `conflict` where keys that are to outlive every run would have to give way to ones that do not. */
export async function assertNoneLost({ keys, settings }: Queries, source: KeySource): Promise<void> {
  if (source !== 'ephemeral' || (await settings.find(EPHEMERAL_SETTING)) === 'yes') return
  if ((await keys.list()).length === 0) return
  throw new AuthsecError(
    'conflict',
    'this state has keys of its own, and ephemeral ones would replace them for good',
    { hint: 'Name a new state with --state, keep none with --ephemeral, or leave --keys out.' },
  )
}

/**
 * Forgets the keys of an earlier run that are no use to this one: nobody can open them, or nobody wants them. Those that
 * a command makes (`isBrief`) are no reason to keep the next ones.
 */
export async function forgetEphemeralKeys(store: Store, source: KeySource, isBrief: boolean): Promise<void> {
  const isEphemeral = source === 'ephemeral'
  await store.write(async ({ keys, settings }) => {
    const before = await settings.find(EPHEMERAL_SETTING)
    if (before !== 'yes' && !isEphemeral) return
    const setting = { name: EPHEMERAL_SETTING, value: isEphemeral || isBrief ? 'yes' : 'no' }
    await (before === undefined ? settings.insert(setting) : settings.replace(setting))
    const former = (await keys.list()).filter(({ purpose }) => purpose !== KEPT_PURPOSE)
    await keys.advance(await keys.revision())
    for (const { kid } of former) await keys.remove(kid)
  })
}

/**
 * Puts keys into the sets of a state that have none, where they sign or are the next ones to. Throws `usage` for what
 * is no private key of a set, stands for the same set twice or is to follow no other, and `conflict` where a set has
 * keys and never had this one.
 */
export async function importKeys(options: KeyStepOptions, keys: readonly FileKey[]): Promise<void> {
  const { store, envelope } = options
  const placed = keys.map((key) => ({ key, place: findPlaceOf(key), state: readStateOf(key) }))
  assertUsableSets(placed)
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const { revision, keys: stored, now } = await readState(options)
    const known = new Set(stored.map(({ kid }) => kid))
    const fresh = placed.filter(({ key }) => !known.has(key.kid))
    if (fresh.length === 0) return
    for (const { key, place } of fresh) {
      if (stored.some(isIn(place))) {
        throw new AuthsecError(
          'conflict',
          `this state has other ${describePlace(place)} keys than ${key.kid}`,
          {
            hint: 'Keys are imported into a new state: name another one, or leave --keys out.',
          },
        )
      }
    }
    const sealed = fresh.map(({ key, place, state }) => {
      const made = {
        privateJwk: formatJwk(key, 'private'),
        publicJwk: formatJwk(key, 'public'),
        kid: key.kid,
      }
      return sealKey({ ...made, ...place, state }, envelope, now)
    })
    const isDone = await store.write(async (transaction) => {
      if (!(await transaction.keys.advance(revision))) return false
      for (const key of sealed) await transaction.keys.insert(key)
      return true
    })
    if (isDone) return
  }
  throw contended()
}

function findPlaceOf({ kid, alg, purpose = 'call', privateKey }: FileKey): KeyPlace {
  if (privateKey === undefined) {
    throw new AuthsecError('usage', `the key ${quote(kid)} that is to be imported has no private part`)
  }
  try {
    return parseKeyPlace(purpose, alg)
  } catch (error) {
    if (!AuthsecError.is(error)) throw error
    throw new AuthsecError('usage', `the key ${quote(kid)} cannot be imported: ${error.message}`, {
      hint: error.hint,
    })
  }
}

function readStateOf({ kid, state = 'active' }: FileKey): NewKeyState {
  if (state === 'active' || state === 'prepared') return state
  throw new AuthsecError('usage', `the key ${quote(kid)} cannot be imported as ${quote(state)}`, {
    hint: 'Its "authsec_state" is "active", as without it, or "prepared": the next to sign.',
  })
}

// One key of each set signs, and at most one is the next to.
function assertUsableSets(keys: readonly { place: KeyPlace; state: NewKeyState }[]): void {
  const names = keys.map(({ place, state }) => `${describePlace(place)} ${state}`)
  const twice = keys.find((_, index) => names.indexOf(names[index] ?? '') !== index)
  if (twice !== undefined) {
    const [what, why] = twice.state === 'active' ? ['', 'can sign'] : ['prepared ', 'can be the next']
    throw new AuthsecError(
      'usage',
      `two ${what}${describePlace(twice.place)} keys are to be imported, and one ${why}`,
      {
        hint: 'Say what each key is for, as in "authsec_purpose": "base"; without it, it is for call tokens.',
      },
    )
  }
  const alone = keys.find(
    ({ place, state }) => state === 'prepared' && !names.includes(`${describePlace(place)} active`),
  )
  if (alone === undefined) return
  throw new AuthsecError('usage', `no ${describePlace(alone.place)} key is imported that signs`, {
    hint: 'A prepared key is the next to sign: import it together with the one that signs.',
  })
}

function describePlace({ purpose, alg }: KeyPlace): string {
  return `${purpose} ${alg}`
}
