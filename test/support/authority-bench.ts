import type { Provenance } from '../../src/authority/audit/log.js'
import { type Authority, openAuthority } from '../../src/authority/authority.js'
import type { HeldDelegation } from '../../src/authority/delegations.js'
import type { TokenResponse } from '../../src/authority/grants/grant.js'
import { DEV_SEED } from '../../src/authority/seed.js'
import { applySeed } from '../../src/authority/seed-planting.js'
import type { Session } from '../../src/authority/sessions.js'
import type { AuditEvent } from '../../src/core/audit-record.js'
import { AuthsecError } from '../../src/core/errors.js'
import { openStore } from '../../src/store/open.js'
import type { Store, User } from '../../src/store/store.js'
import { type AlteredStore, createAlteredStore } from './altered-store.js'
import { once } from './once.js'
import { readServerKeys } from './server-keys.js'

export const ISSUER = 'http://127.0.0.1:7468'
export const KEK: Uint8Array = new Uint8Array(32).fill(7)
export const START: number = Date.parse('2026-11-24T09:00:00.250Z')
export const DAY_MS = 86_400_000

/** Where the requests of a test come from. */
export const PROVENANCE: Provenance = { requestId: 'request-1', source: 'POST /test' }

/** An authority over a seeded store in memory, and what a test does with it. */
export interface AuthorityBench {
  authority: Authority
  store: AlteredStore
  /** The seeded admin, the agent, and who delegates to it. */
  seeded: { admin: User; agentId: string; delegator: User }
  admin: Session
  alice: User
  /** Milliseconds since the epoch; stands still until it is set. */
  clock: { now: number; read: () => number }
  /** From now on every look at the clock moves it on by so many milliseconds. */
  tick(ms: number): void
  /** Alice delegates to the seeded agent. */
  grant(audience?: readonly string[], ttlSeconds?: number): Promise<HeldDelegation>
  /** The seeded agent exchanges a base token; a field that is undefined is left out. */
  exchange(token: string, fields?: Record<string, string | undefined>): Promise<TokenResponse>
  /** Every event in the log, oldest first. */
  events(): Promise<AuditEvent[]>
  /** The events that something adds to the log. */
  eventsOf(happening: () => Promise<unknown>): Promise<AuditEvent[]>
}

/** Opens a bench. Keys are made once for all of them: they cost more than everything else. */
export async function openBench(): Promise<AuthorityBench> {
  const store = createAlteredStore(await openStore(':memory:'))
  await copyIdentity(await findTemplate(), store)
  let step = 0
  const clock = {
    now: START,
    read: () => {
      clock.now += step
      return clock.now
    },
  }
  const authority = await openAuthority({ store, kek: KEK, issuer: ISSUER, clock: clock.read })
  const { admin, delegations } = await applySeed(
    { store, audit: authority.audit },
    DEV_SEED,
    authority.identity.tenantId,
    clock.now,
  )
  const [delegation] = delegations
  if (delegation === undefined) throw new Error('the dev seed has no delegation')
  const seeded = { admin, agentId: delegation.clientId, delegator: delegation.user }
  const events = async () => (await authority.audit.search({ limit: 1_000 })).map(({ event }) => event)

  return {
    authority,
    store,
    seeded,
    clock,
    tick(ms) {
      step = ms
    },
    alice: seeded.delegator,
    admin: {
      id: 'a session of the bench',
      kind: 'password',
      user: seeded.admin,
      clientId: undefined,
      ceiling: undefined,
      tokenType: 'admin',
      startedAt: clock.now,
      expiresAt: clock.now / 1000 + 3_600,
    },
    grant: (audience = ['authsec-api'], ttlSeconds = 86_400) =>
      authority.delegations.grant(
        { clientId: seeded.agentId, agentType: 'langchain', audience, ttlSeconds },
        seeded.delegator,
        PROVENANCE,
      ),
    exchange: (token, fields = {}) =>
      authority.tokens.issue(
        { form: createForm(token, seeded.agentId, fields), authorization: null },
        PROVENANCE,
      ),
    events,
    async eventsOf(happening) {
      const before = (await events()).length
      await happening()
      return (await events()).slice(before)
    },
  }
}

/** What a promise is refused with; throws when it is not refused, or by surprise. */
export async function refusalOf(promise: Promise<unknown>): Promise<AuthsecError> {
  const outcome = await promise.then(
    () => 'it was not refused',
    (error) => error,
  )
  if (AuthsecError.is(outcome)) return outcome
  throw outcome instanceof Error ? outcome : new Error(String(outcome))
}

/** `well`, or what a piece of work has thrown; for what is asked again until its outcome changes. */
export function attempt(work: () => unknown): string {
  try {
    work()
    return 'well'
  } catch (error) {
    return String(error)
  }
}

function createForm(
  token: string,
  clientId: string,
  fields: Record<string, string | undefined>,
): ReadonlyMap<string, string> {
  const form = {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: token,
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    client_id: clientId,
    resource: 'https://billing.example',
    ...fields,
  }
  return new Map(Object.entries(form).filter((entry): entry is [string, string] => entry[1] !== undefined))
}

const findTemplate = once(async (): Promise<Store> => {
  const store = await openStore(':memory:')
  const keySource = await readServerKeys()
  await openAuthority({ store, kek: KEK, issuer: ISSUER, clock: () => START, keySource })
  return store
})

async function copyIdentity(from: Store, to: Store): Promise<void> {
  const names = ['tenant_id', 'log_id', 'issuer']
  const values = await Promise.all(names.map((name) => from.settings.find(name)))
  const keys = await from.keys.list()
  await to.write(async (transaction) => {
    for (const [index, name] of names.entries()) {
      await transaction.settings.insert({ name, value: values[index] as string })
    }
    for (const key of keys) await transaction.keys.insert(key)
  })
}
