import { randomUUID } from 'node:crypto'
import { AuthsecError } from '../core/errors.js'
import type { Store, Transaction } from '../store/store.js'
import { makeAllowed } from './audit/record-making.js'
import { createEnvelope, MAX_KEK_VERSION, type SealedPlace } from './envelope.js'
import { fingerprintKek, type KekCheck, openEnvelope, readKekCheck, toKekSetting } from './kek-check.js'
import { forgetEphemeralKeys } from './key-source.js'
import { assertNoServer } from './replica.js'
import { placeOfBaseToken, placeOfCredentials, placeOfKey } from './sealed-places.js'

/** What a store is sealed with after a change of the key-encryption key. */
export interface Rewrapped extends KekCheck {
  /** How many values have been sealed anew. */
  count: number
}

/** What works on a state on which no server runs. */
const OFFLINE = { requestId: 'command', source: 'keys rewrap' }

/**
 * Seals everything that lies sealed in a store with another key-encryption key, in one transaction: afterwards only
 * the new one opens it, and the log says so. Throws `not_found` for an empty store, `state_unreadable` where the old key
 * is another one or something does not open, and `conflict` where a server runs on the store or nothing is to change.
 */
export async function rewrapStore(
  store: Store,
  from: Uint8Array,
  to: Uint8Array,
  clock: () => number = Date.now,
): Promise<Rewrapped> {
  const storeId = await store.settings.find('tenant_id')
  if (storeId === undefined)
    throw new AuthsecError('not_found', 'nothing is sealed in this state: it is empty')
  const logId = (await store.settings.find('log_id')) ?? ''
  const bootId = randomUUID()
  const envelope = await openEnvelope(store, from, { tenantId: storeId, logId })
  await forgetEphemeralKeys(store, 'persistent', true)
  const { version, fingerprint } = await readKekCheck(store)
  const next = { version: version + 1, fingerprint: fingerprintKek(to) }
  if (next.fingerprint === fingerprint) {
    throw new AuthsecError(
      'conflict',
      `the state is sealed with the key-encryption key ${fingerprint} already`,
    )
  }
  if (next.version > MAX_KEK_VERSION) {
    throw new AuthsecError(
      'conflict',
      `the state has been sealed with ${MAX_KEK_VERSION} keys, and no more can be`,
    )
  }
  const successor = createEnvelope(to, storeId, next.version)
  const reseal = (sealed: Uint8Array, place: SealedPlace) =>
    successor.seal(envelope.open(sealed, place), place)
  const count = await store.write(async (transaction) => {
    if ((await readKekCheck(transaction)).version !== version) {
      throw new AuthsecError('conflict', 'somebody else has changed the key-encryption key meanwhile')
    }
    await assertNoServer(transaction, store)
    await transaction.settings.replace(toKekSetting(next))
    // What a server that is just starting has read, or one that stands still, counts for nothing any more.
    await transaction.keys.advance(await transaction.keys.revision())
    const values = await resealAll(transaction, reseal)
    const details = { former: fingerprint, fingerprint: next.fingerprint, version: next.version, values }
    const place = { logId, tenantId: storeId, bootId }
    transaction.audit.append(makeAllowed(place, { type: 'kek.changed', details }, OFFLINE, clock()))
    return values
  })
  return { ...next, count }
}

async function resealAll(
  { keys, delegations, externalServices }: Transaction,
  reseal: (sealed: Uint8Array, place: SealedPlace) => Uint8Array,
): Promise<number> {
  const [storedKeys, tokens, services] = [
    await keys.list(),
    await delegations.listAll(),
    await externalServices.list(),
  ]
  for (const key of storedKeys) {
    await keys.update({ ...key, sealedJwk: reseal(key.sealedJwk, placeOfKey(key)) })
  }
  for (const { clientId, sealedToken } of tokens) {
    await delegations.reseal(clientId, reseal(sealedToken, placeOfBaseToken(clientId)))
  }
  for (const service of services) {
    const sealedCredentials = reseal(service.sealedCredentials, placeOfCredentials(service.id))
    await externalServices.update({ ...service, sealedCredentials })
  }
  return storedKeys.length + tokens.length + services.length
}
