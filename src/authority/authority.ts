import { randomUUID } from 'node:crypto'
import type { Checkpoint } from '../core/checkpoint.js'
import type { Queries, Store, Transaction } from '../store/store.js'
import { type AgentActions, createAgentActions } from './agent-actions.js'
import { type AuditFeed, createAuditFeed } from './audit/feed.js'
import type { HighWaterMark } from './audit/highest-heads.js'
import { type AuditLog, createAuditLog } from './audit/log.js'
import { createLogId } from './audit/new-log.js'
import { createPublishedLog, type PublishedLog } from './audit/published-log.js'
import { type AuditReads, createAuditReads } from './audit/reads.js'
import type { RefusalLimits } from './audit/refusals.js'
import { createSealing, type Sealing } from './audit/sealing.js'
import { baseIssuer, createBaseTokens } from './base-tokens.js'
import { createCallTokens } from './call-tokens.js'
import { type Callers, createCallers } from './callers.js'
import { type Ciba, type CibaMode, createCiba } from './ciba.js'
import { type ClientAuthentication, createClientAuthentication, type Mode } from './client-authentication.js'
import { type ClientChanges, createClientChanges } from './client-changes.js'
import { type Clients, createClients } from './clients.js'
import { findLag } from './database-clock.js'
import { createDelegationEnds, type DelegationEnds } from './delegation-ends.js'
import { createDelegations, type Delegations } from './delegations.js'
import { createDevices, type Devices } from './devices.js'
import { createExternalServices, type ExternalServices } from './external-services.js'
import { createIdentities, type Identities } from './identities.js'
import { createIntrospection, type Introspection } from './introspection.js'
import { createIssuedTokens } from './issued-tokens.js'
import { createIssuerKeys } from './issuer-keys.js'
import { openEnvelope } from './kek-check.js'
import { createKeyLife, type KeyLife } from './key-life.js'
import { completeTimings, createKeyRules, type KeyTimings } from './key-sets.js'
import {
  assertNoneLost,
  createRunEnvelope,
  forgetEphemeralKeys,
  importKeys,
  type KeySource,
} from './key-source.js'
import { createMissingKeys } from './key-steps.js'
import { type AssertSigning, type Keyring, openKeyring } from './keys.js'
import { createLogins, type Logins } from './logins.js'
import { createOneTimeTokens, type OneTimeTokens } from './one-time-tokens.js'
import { createPageSessions, type PageSessions } from './page-sessions.js'
import { createPolicies, type Policies } from './policies.js'
import { createQuirks, type Quirks } from './quirks.js'
import { createReadiness, type Readiness } from './readiness.js'
import { createRegistration, type Registration } from './registration.js'
import {
  BRIEF_LEASE,
  createReplica,
  DEFAULT_LEASE_SECONDS,
  type Moment,
  type ReplicaTimings,
  readClocks,
} from './replica.js'
import { createResources, type Resources } from './resources.js'
import { createRevocation, type Revocation } from './revocation.js'
import { createRoles, type Roles } from './roles.js'
import type { Room } from './room.js'
import { createSessions, type Sessions } from './sessions.js'
import { createSnapshots, type Snapshots } from './snapshots.js'
import { readSetting } from './state-settings.js'
import { createSvids, type Svids } from './svids.js'
import { agreeTimings } from './timings.js'
import { createTokens, GRANTS, type Tokens } from './tokens.js'
import { createTrustRules, type TrustRules } from './trust-rules.js'
import { createUseReceipts, type UseReceipts } from './use-receipts.js'
import { createUsers, type Users } from './users.js'

/** The authorization server without HTTP: everything it decides and records. */
export interface Authority {
  readonly identity: Identity
  readonly mode: Mode
  /** Milliseconds since the epoch. */
  readonly clock: () => number
  readonly keyring: Keyring
  readonly keys: KeyLife
  /** The longest life of a call token, in seconds. */
  readonly maxCallTtl: number
  readonly audit: AuditLog
  /** Signs the head of the log. */
  readonly sealing: Sealing
  /** The log as anybody can check it. */
  readonly publishedLog: PublishedLog
  readonly auditFeed: AuditFeed
  readonly auditReads: AuditReads
  readonly ciba: Ciba
  readonly agentActions: AgentActions
  readonly callers: Callers
  readonly clients: Clients & ClientChanges
  readonly clientAuthentication: ClientAuthentication
  readonly delegations: Delegations
  readonly delegationEnds: DelegationEnds
  readonly devices: Devices
  readonly externalServices: ExternalServices
  readonly identities: Identities
  readonly logins: Logins
  readonly pageSessions: PageSessions
  readonly introspection: Introspection
  readonly policies: Policies
  readonly quirks: Quirks
  /** Whether it can do its work now. */
  readonly readiness: Readiness
  readonly registration: Registration
  readonly revocation: Revocation
  readonly resources: Resources
  readonly roles: Roles
  readonly users: Users
  readonly sessions: Sessions
  readonly snapshots: Snapshots
  readonly oneTimeTokens: OneTimeTokens
  readonly svids: Svids
  readonly tokens: Tokens
  readonly useReceipts: UseReceipts
  readonly trustRules: TrustRules
  /** Lets the other servers of the store go on at once; the store stays open. */
  close(): Promise<void>
}

/** What a state is called, fixed at its first start. */
export interface Identity {
  tenantId: string
  /** The issuer of call tokens. */
  issuer: string
  /** The origin of the audit log: random, never a URL. */
  logId: string
  /** This run of the server; another one after every start. */
  bootId: string
}

export interface AuthorityOptions {
  store: Store
  /** The key-encryption key, 32 bytes. */
  kek: Uint8Array
  /** Where the server is reached now: the issuer of a state that has none yet. */
  issuer: string
  /** Default `dev`. */
  mode?: Mode
  /** The tenant of a state that has none yet, a UUID; default a random one. */
  tenantId?: string | undefined
  /** Who answers what programs ask people for; default `manual`. */
  ciba?: CibaMode
  /** Where its keys come from; default `persistent`. */
  keySource?: KeySource | undefined
  /** When keys are replaced. */
  keyTimings?: KeyTimings | undefined
  /** Where the highest head that was ever signed is kept; default: in memory. */
  highWater?: HighWaterMark | undefined
  /** Heads of logs that were seen on this machine: its own log has to go on from there. */
  seenHeads?: readonly Checkpoint[] | undefined
  /** How many refusals the log tells one by one; default: all of them. */
  refusals?: RefusalLimits | undefined
  /** Told of what goes wrong behind the requests. */
  onFailure?: ((error: unknown) => void) | undefined
  /** How the servers of one store notice each other. */
  replicaTimings?: ReplicaTimings | undefined
  /**
   * Whether it works on the state for a moment, as a command does: it leaves the timings of the servers alone, and where
   * it is killed the next one need not wait long. Default false.
   */
  isBrief?: boolean | undefined
  /** Milliseconds since the epoch. */
  clock: () => number
  /** What a store that others have open is compared with; default: the clocks of this machine. */
  readTime?: (() => Moment) | undefined
  /** Throws while the clock is such that nothing may be signed by it, or told to be alive; default: never. */
  assertClock?: (() => void) | undefined
  /** The room where the state is kept; default: always enough. */
  room?: Room | undefined
}

/** What nobody can prove for so long is issued no more. */
const ISSUED_WITHIN_MS = 60_000

/**
 * Opens the authority over a store: names a new state, creates its keys, loads those of an old one. Throws
 * `configuration` for timings of keys that do not go together and `state_unreadable` when the key-encryption key is
 * another one.
 */
export async function openAuthority(options: AuthorityOptions): Promise<Authority> {
  const { store, kek, issuer, clock, mode = 'dev', keySource = 'persistent', isBrief = false } = options
  const timings = completeTimings(options.keyTimings ?? {})
  const rules = createKeyRules(timings)
  const identity = await openIdentity(options)
  const { tenantId, bootId, logId } = identity
  const envelope = createRunEnvelope(await openEnvelope(store, kek, identity), keySource, tenantId)
  const replicaTimings = isBrief ? BRIEF_LEASE : (options.replicaTimings ?? {})
  const { leaseSeconds = DEFAULT_LEASE_SECONDS } = replicaTimings
  const { readTime = readClocks } = options
  const readLag = async (queries: Queries) =>
    store.isAlone ? 0 : findLag(queries, () => readTime().wall, timings.skewSeconds)
  const admit = async (transaction: Transaction) => {
    await envelope.assertSameState(transaction)
    await readLag(transaction)
    if (!isBrief)
      await agreeTimings(transaction, { bootId, timings: { ...timings, leaseSeconds }, now: clock() })
  }
  const { highWater, seenHeads, onFailure } = options
  const replica = store.isAlone
    ? undefined
    : createReplica({ store, bootId, admit, timings: replicaTimings, onFailure, readTime })
  const making = { store, envelope, clock, rules, peers: replica, findLag: () => readLag(store) }
  // Before anything is changed: who is refused leaves everything as it is.
  await store.write(async (transaction) => {
    await admit(transaction)
    await assertNoneLost(transaction, keySource)
  })
  await forgetEphemeralKeys(store, keySource, isBrief)
  if (typeof keySource === 'object') await importKeys(making, keySource.imported)
  await createMissingKeys(making)
  const keyring = await openKeyring(store, envelope, replica)
  await replica?.join(keyring)
  // While a server counts as alive nobody exchanges the state under it: it costs a question only after a pause.
  const assertOwnState = async (transaction: Transaction) => {
    if (replica?.isCurrent() === false) await envelope.assertSameState(transaction)
  }
  const sealing = createSealing({
    store,
    keyring,
    logId,
    clock,
    highWater,
    seenHeads,
    assertOwnState,
    onFailure,
  })
  const audit = createAuditLog({
    store,
    clock,
    tenantId,
    bootId,
    logId,
    refusals: options.refusals,
    assertOwnState,
    isScarce: options.room?.isScarce,
    onRecorded: sealing.count,
  })
  const publishedLog = createPublishedLog({ store, keyring, sealing, logId })
  const { base, session } = keyring
  const assertClock = () => options.assertClock?.()
  const assertSigning: AssertSigning = async (key, transaction) => {
    assertClock()
    await keyring.assertSigning(key, transaction)
  }
  // Not for sessions, and not for a base token that there is: whoever has to revoke something must be able to log in.
  const assertIssuing = () => {
    options.room?.assertEnough()
    sealing.assertTimely(ISSUED_WITHIN_MS)
  }
  const shared = { store, audit, clock, tenantId }
  const clientAuthentication = createClientAuthentication({
    store,
    clock,
    mode,
    issuer: identity.issuer,
    addresses: [...new Set([identity.issuer, issuer])],
  })
  const sessions = createSessions({ ...shared, keys: session, assertSigning, bootId })
  const logins = createLogins({ ...shared, sessions, keys: session })
  const ciba = createCiba({ ...shared, sessions, keys: session, mode: options.ciba ?? 'manual' })
  const devices = createDevices({ ...shared, sessions })
  const svids = { ...shared, keys: base, issuer: baseIssuer(tenantId) }
  const baseTokens = createBaseTokens({ keys: base, issuer: baseIssuer(tenantId), tenantId, clock })
  const callTokens = createCallTokens({
    keys: () => keyring.trustedCall,
    issuer: identity.issuer,
    tenantId,
    clock,
  })

  const issuedTokens = createIssuedTokens({ baseTokens, callTokens, sessions, clock })
  const asking = { ...shared, sessions, issuedTokens, clientAuthentication, assertClock }

  return {
    identity,
    mode,
    clock,
    keyring,
    keys: createKeyLife({ ...making, audit, keyring, logId }),
    maxCallTtl: timings.maxCallTtl,
    audit,
    sealing,
    publishedLog,
    auditFeed: createAuditFeed(audit),
    auditReads: createAuditReads(audit),
    agentActions: createAgentActions(shared),
    callers: createCallers({ ...shared, sessions, baseTokens }),
    clients: { ...createClients(shared), ...createClientChanges(shared) },
    ciba,
    clientAuthentication,
    delegations: createDelegations({ ...shared, envelope, keys: base, assertSigning, assertIssuing }),
    delegationEnds: createDelegationEnds(shared),
    devices,
    externalServices: createExternalServices({ ...shared, envelope }),
    identities: createIdentities(shared),
    logins,
    pageSessions: createPageSessions({ ...shared, logins, keys: session }),
    introspection: createIntrospection(asking),
    policies: createPolicies(shared),
    quirks: createQuirks({ ...svids, sessionKeys: session }),
    readiness: createReadiness({ store, keyring, replica, room: options.room, sealing, bootId }),
    registration: createRegistration({
      ...shared,
      mode,
      grantTypes: GRANTS.map(({ grantType }) => grantType),
    }),
    revocation: createRevocation(asking),
    resources: createResources(shared),
    roles: createRoles(shared),
    users: createUsers(shared),
    sessions,
    oneTimeTokens: createOneTimeTokens({ ...shared, callTokens, clientAuthentication, assertClock }),
    useReceipts: createUseReceipts({ ...shared, callTokens, clientAuthentication }),
    snapshots: createSnapshots({ store, audit, sealing, publishedLog, identity, clock }),
    close: async () => replica?.leave(),
    svids: createSvids(svids),
    tokens: createTokens({
      ...shared,
      callKey(signingAlg) {
        assertIssuing()
        return keyring.call[signingAlg]
      },
      assertSigning,
      issuer: identity.issuer,
      maxCallTtl: timings.maxCallTtl,
      mode,
      baseTokens,
      callTokens,
      sessions,
      issuerKeys: createIssuerKeys({ fetch: globalThis.fetch, clock }),
      clientAuthentication,
      ciba,
      devices,
    }),
    trustRules: createTrustRules({ ...shared, mode }),
  }
}

async function openIdentity({ store, issuer, tenantId }: AuthorityOptions): Promise<Identity> {
  // In one transaction, because another server of the store may be at it too, and so may what replaces a state.
  const known = await store.write(async (transaction) => {
    const { settings } = transaction
    const given = [
      await settings.find('tenant_id'),
      await settings.find('log_id'),
      await settings.find('issuer'),
    ]
    if (given.every((value) => value === undefined)) {
      await settings.insert({ name: 'tenant_id', value: tenantId ?? randomUUID() })
      await settings.insert({ name: 'log_id', value: createLogId() })
      await settings.insert({ name: 'issuer', value: issuer })
    }
    return {
      tenantId: await readSetting(transaction, 'tenant_id'),
      issuer: await readSetting(transaction, 'issuer'),
      logId: await readSetting(transaction, 'log_id'),
    }
  })
  return { ...known, bootId: randomUUID() }
}
