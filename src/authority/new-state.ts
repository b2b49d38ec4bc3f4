import { randomUUID } from 'node:crypto'
import type { AuditDraft } from '../core/audit-record.js'
import type { StoredRow } from '../store/state-copy.js'
import type { Store, Transaction } from '../store/store.js'
import { beginLog } from './audit/new-log.js'
import { createBaseClaims, signBaseToken } from './base-tokens.js'
import { AGENT_CLIENT_TYPE } from './clients.js'
import { createEnvelope, type Envelope } from './envelope.js'
import { type KekCheck, toKekSetting } from './kek-check.js'
import { loadKey } from './key-making.js'
import { completeTimings, createKeyRules } from './key-sets.js'
import { carryOut, type KeyStep, makeFirstSteps } from './key-steps.js'
import { assertNoServer } from './replica.js'
import { placeOfBaseToken } from './sealed-places.js'
import type { SigningKey } from './signer.js'

/** What takes the place of a state. */
export interface NewState {
  tenantId: string
  /** The version of the tables that the rows are for. */
  schema: number
  rows: AsyncIterable<{ table: string; row: StoredRow }>
  /** Whether the rows have the keys, and what is sealed and signed with them, along. */
  hasKeys: boolean
  /** Whether the credentials of external services are sealed with the same key-encryption key. */
  opensCredentials: boolean
  kek: Uint8Array
  check: KekCheck
  /** The first event of the new log. */
  event: AuditDraft
}

/** What has become of what a state without its keys cannot keep. */
export interface Installed {
  /** The origin of the new log. */
  origin: string
  /** How many base tokens have been signed anew. */
  renewed: number
  /** How many external services are gone, because nobody could open their credentials. */
  dropped: number
}

/**
 * Puts another state in the place of the one that is there, in one transaction: a crash at any moment leaves the one or
 * the other, whole. It gets a new log, and keys of its own unless it has some. Throws `conflict` where a server runs
 * on the store, `state_unreadable` for rows that are those of no state, and what `assertMayGo` throws where the one that
 * is there has to stay.
 */
export async function installState(
  store: Store,
  state: NewState,
  clock: () => number,
  assertMayGo: (transaction: Transaction) => Promise<unknown> = async () => {},
): Promise<Installed> {
  const { tenantId, hasKeys, kek, check } = state
  const envelope = createEnvelope(kek, tenantId, check.version)
  const now = clock()
  // Outside of the transaction, because making keys takes its time.
  const steps = hasKeys ? [] : await makeFirstKeys(envelope, now)
  return store.rebuild(async (transaction, refill) => {
    await assertNoServer(transaction, store)
    await assertMayGo(transaction)
    await refill(state.schema, state.rows)
    for (const step of steps) await carryOut(step, transaction)
    const signer = steps
      .find(({ place }) => place.purpose === 'base')
      ?.keys.find(({ state }) => state === 'active')
    const renewed =
      signer === undefined
        ? 0
        : await renewBaseTokens(transaction, loadKey(signer, envelope), envelope, tenantId)
    const dropped = state.opensCredentials ? 0 : await dropServices(transaction)
    await transaction.settings.insert(toKekSetting(check))
    const origin = await beginLog(transaction, { tenantId, bootId: randomUUID(), clock }, [state.event])
    return { origin, renewed, dropped }
  })
}

function makeFirstKeys(envelope: Envelope, now: number): Promise<KeyStep[]> {
  const rules = createKeyRules(completeTimings({}))
  const none = { revision: 0, keys: [], now, rules, servedSince: now }
  return makeFirstSteps(none, { envelope })
}

// The same delegations to the same end; only who signs them is another one. What is over needs no token any more.
async function renewBaseTokens(
  { clients, delegations }: Transaction,
  key: SigningKey,
  envelope: Envelope,
  tenantId: string,
): Promise<number> {
  let renewed = 0
  const page = await clients.list({ limit: Number.MAX_SAFE_INTEGER, offset: 0 })
  const agents = new Map(page.clients.map((client) => [client.id, client]))
  for (const delegation of await delegations.listAll()) {
    const { clientId } = delegation
    const client = agents.get(clientId)
    const isLive = delegation.status === 'active' && client !== undefined
    let token = ''
    if (isLive) {
      const agent = { spiffeId: client.spiffeId ?? '', agentType: client.agentType ?? AGENT_CLIENT_TYPE }
      token = signBaseToken(key, createBaseClaims(delegation, agent, tenantId)).token
      renewed++
    }
    await delegations.reseal(clientId, envelope.seal(Buffer.from(token), placeOfBaseToken(clientId)))
  }
  return renewed
}

async function dropServices({ externalServices }: Transaction): Promise<number> {
  const services = await externalServices.list()
  for (const { id } of services) await externalServices.remove(id)
  return services.length
}
