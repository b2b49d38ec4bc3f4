import { createHmac } from 'node:crypto'
import { AuthsecError } from '../core/errors.js'
import type { Queries, Store } from '../store/store.js'
import { createEnvelope, type Envelope, readKekVersion } from './envelope.js'
import { openKey } from './key-making.js'
import { damagedSetting } from './state-settings.js'

/** With which key-encryption key a store is sealed. */
export interface KekCheck {
  /** Counts the keys that the store has been sealed with, from 1. */
  version: number
  fingerprint: string
}

/** An envelope that is opened over a store, whose state may be exchanged while a server stands still. */
export interface StoreEnvelope extends Envelope {
  /**
   * Throws `state_unreadable` where the store has another key-encryption key now, or holds another state: what is
   * sealed for the former one would open nowhere, and what is recorded of it belongs into another log.
   */
  assertSameState(queries: Pick<Queries, 'settings'>): Promise<void>
}

/** The setting that holds it, so that a server under another key notices before it touches anything. */
const KEK_SETTING = 'kek_check'

/** What may be told of a key-encryption key: it names the key and says nothing of it. */
export function fingerprintKek(kek: Uint8Array): string {
  return createHmac('sha256', kek).update('authsec key-encryption key').digest('hex').slice(0, 16)
}

/**
 * Which key-encryption key a store is sealed with; undefined where that has never been written down. Throws
 * `state_unreadable` where it is damaged: no key is wrong then.
 */
export async function findKekCheck({ settings }: Pick<Queries, 'settings'>): Promise<KekCheck | undefined> {
  const text = await settings.find(KEK_SETTING)
  if (text === undefined) return undefined
  const [, version, fingerprint = ''] = /^(\d+) (\w+)$/.exec(text) ?? []
  if (version === undefined) throw damagedSetting(KEK_SETTING, 'is damaged')
  return { version: Number(version), fingerprint }
}

/** The same of a store that has been opened, where it is always written down. */
export async function readKekCheck(queries: Pick<Queries, 'settings'>): Promise<KekCheck> {
  const check = await findKekCheck(queries)
  if (check === undefined) throw new Error('the key-encryption key of this store is not written down')
  return check
}

/** How it is written down. */
export function toKekSetting({ version, fingerprint }: KekCheck): { name: string; value: string } {
  return { name: KEK_SETTING, value: `${version} ${fingerprint}` }
}

/**
 * The envelope of a store, once the key-encryption key is known to be its own. A store where that has never been
 * written down is asked by what is sealed in it. Throws `state_unreadable` for another key, and changes nothing then.
 */
export async function openEnvelope(
  store: Store,
  kek: Uint8Array,
  { tenantId, logId }: { tenantId: string; logId: string },
): Promise<StoreEnvelope> {
  const fingerprint = fingerprintKek(kek)
  const known = (await findKekCheck(store)) ?? (await adoptKek(store, kek, tenantId))
  assertOwn(known, fingerprint)
  return {
    ...createEnvelope(kek, tenantId, known.version),

    async assertSameState(queries) {
      // What nobody else can open, nobody else exchanges.
      if (store.isAlone) return
      const check = await findKekCheck(queries)
      if (check !== undefined) assertOwn(check, fingerprint)
      // Whatever takes the place of a state begins a log of its own, and a key may come back under another number.
      const isSame = check?.version === known.version && (await queries.settings.find('log_id')) === logId
      if (isSame) return
      throw new AuthsecError(
        'state_unreadable',
        'another state has taken the place of the one that was opened',
        {
          hint: 'Restart the server: it then serves the state that is there now.',
        },
      )
    },
  }
}

function assertOwn({ version, fingerprint }: KekCheck, given: string): void {
  if (fingerprint === given) return
  const own = `key-encryption key ${fingerprint} (version ${version})`
  throw wrongKek(`the key-encryption key ${given} is another one: this state is sealed with the ${own}`)
}

async function adoptKek(store: Store, kek: Uint8Array, storeId: string): Promise<KekCheck> {
  const check = { version: 1, fingerprint: fingerprintKek(kek) }
  const envelope = createEnvelope(kek, storeId, check.version)
  const keys = await store.keys.list()
  // One that is damaged is told by its name when the keys are loaded.
  if (keys.length > 0 && !keys.some((key) => isOpened(() => openKey(key, envelope)))) {
    // Only a state whose key has never changed can be from before it was written down: no key is wrong then.
    const isLost = keys.every(({ sealedJwk }) => (readKekVersion(sealedJwk) ?? 1) > 1)
    if (isLost) throw damagedSetting(KEK_SETTING, 'is missing')
    throw wrongKek(`the key-encryption key ${check.fingerprint} opens no key of this state`)
  }
  try {
    await store.write(({ settings }) => settings.insert(toKekSetting(check)))
  } catch (error) {
    // Another server was faster, under the same key or another one: what it wrote counts.
    if (!AuthsecError.is(error, 'conflict')) throw error
  }
  return (await findKekCheck(store)) ?? check
}

function isOpened(open: () => unknown): boolean {
  try {
    open()
    return true
  } catch {
    return false
  }
}

function wrongKek(message: string): AuthsecError {
  return new AuthsecError('state_unreadable', message, {
    hint: 'Give the key that it is sealed with: --kek-file, AUTHSEC_KEK, or the file "kek" in its directory, which counts where neither is given (unset AUTHSEC_KEK). Nothing has been changed.',
  })
}
