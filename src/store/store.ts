import type { AuditFilter } from '../core/audit-filter.js'
import type { PersonalData } from '../core/audit-record.js'
import type { AgentActionChanges, AgentActionQueries } from './agent-actions.js'
import type { ApprovalChanges, ApprovalQueries } from './approvals.js'
import type { AssertionChanges } from './assertions.js'
import type { AuditPage, AuditPageQuery } from './audit-pages.js'
import type { IndexStep } from './audit-terms.js'
import type { AuditTreeChanges, AuditTreeQueries } from './audit-tree.js'
import type { Client, ClientChanges, ClientCredentials, ClientQueries } from './clients.js'
import type { ExternalServiceChanges, ExternalServiceQueries } from './external-services.js'
import type { GuessChanges, GuessQueries } from './guesses.js'
import type { LeaseChanges } from './leases.js'
import type { ReplicaChanges, ReplicaQueries } from './replicas.js'
import type { Resource, ResourceChanges, ResourceQueries } from './resources.js'
import type { RevocationChanges, RevocationQueries } from './revocations.js'
import type { Refill, StoredRow } from './state-copy.js'
import type { TrustRuleChanges, TrustRuleQueries } from './trust-rules.js'
import type { UseChanges, UseQueries } from './uses.js'

export type {
  Client,
  ClientAuthMethod,
  ClientChanges,
  ClientCredentials,
  ClientPage,
  ClientQueries,
  ClientStanding,
} from './clients.js'
export type { CallAlgorithm, Resource, ResourceChanges, ResourceQueries } from './resources.js'
export type { TrustRule } from './trust-rules.js'

import type { PasswordChanges, PasswordQueries } from './passwords.js'
import type { SessionChanges, SessionQueries } from './sessions.js'

/** What is kept, whatever engine keeps it. Times are milliseconds since the epoch. */
export interface Store extends Queries {
  /**
   * Runs `work` inside a write transaction that it shares with whatever else waits, and resolves once that
   * transaction is durable. Works take effect in the order of the calls. What one of them throws undoes the group,
   * and the others are tried again without it: `work` may run more than once, so it changes only the transaction.
   *
   * Throws `temporarily_unavailable` when the engine cannot make it durable (full disk, I/O error) and `conflict`
   * when a unique value is taken.
   */
  write<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>
  /**
   * Reads tables whole, all of them as they were at one moment, a page of rows after the other. Where `isAlone`
   * nobody else is served meanwhile: `take` only puts the rows somewhere else.
   */
  copy(
    tables: readonly string[],
    take: (table: string, rows: readonly StoredRow[]) => Promise<void>,
  ): Promise<void>
  /**
   * Runs `work` once, in a transaction of its own in which it may put everything in the place of what is kept: it is
   * all there afterwards, or what was there before. Throws what `write` throws.
   */
  rebuild<T>(work: (transaction: Transaction, refill: Refill) => Promise<T>): Promise<T>
  /**
   * Leaves nothing in the file of what was overwritten or removed; in a database of a server whoever runs that has to.
   * Throws `temporarily_unavailable`, also where there is not the room to write the file once more.
   */
  purge(): Promise<void>
  /** Whether nobody but this process can change what is kept while it has it open. */
  readonly isAlone: boolean
  /** Finishes what waits, then releases the files and locks. */
  close(): Promise<void>
}

/** The questions that can be asked, one section per aggregate. */
export interface Queries {
  settings: SettingQueries
  users: UserQueries
  clients: ClientQueries
  resources: ResourceQueries
  trustRules: TrustRuleQueries
  policies: PolicyQueries
  delegations: DelegationQueries
  keys: KeyQueries
  sessions: SessionQueries
  revocations: RevocationQueries
  passwords: PasswordQueries
  approvals: ApprovalQueries
  externalServices: ExternalServiceQueries
  agentActions: AgentActionQueries
  audit: AuditQueries
  auditTree: AuditTreeQueries
  uses: UseQueries
  guesses: GuessQueries
  replicas: ReplicaQueries
}

/** The same questions and the changes, inside one write transaction. */
export interface Transaction extends Queries {
  settings: SettingChanges
  users: UserChanges
  clients: ClientChanges
  resources: ResourceChanges
  trustRules: TrustRuleChanges
  policies: PolicyChanges
  delegations: DelegationChanges
  keys: KeyChanges
  assertions: AssertionChanges
  sessions: SessionChanges
  revocations: RevocationChanges
  passwords: PasswordChanges
  approvals: ApprovalChanges
  uses: UseChanges
  guesses: GuessChanges
  leases: LeaseChanges
  replicas: ReplicaChanges
  externalServices: ExternalServiceChanges
  agentActions: AgentActionChanges
  audit: AuditChanges
  auditTree: AuditTreeChanges
}

export interface Setting {
  name: string
  value: string
}
export interface SettingQueries {
  find(name: string): Promise<string | undefined>
}
export interface SettingChanges extends SettingQueries {
  insert(setting: Setting): Promise<void>
  /** Gives a setting that there is another value. */
  replace(setting: Setting): Promise<void>
}

export interface User {
  id: string
  email: string
  active: boolean
  roles: readonly string[]
  /** Every permission of the user's roles. */
  permissions: ReadonlySet<string>
}
/** A user as they are listed. */
export interface ListedUser extends Omit<User, 'permissions'> {
  hasPassword: boolean
  createdAt: number
}
export interface Role {
  name: string
  permissions: readonly string[]
}
export interface UserQueries {
  find(id: string): Promise<User | undefined>
  /** The one with this address, or else the only one whose address differs from it in case alone. */
  findByEmail(email: string): Promise<User | undefined>
  /** By e-mail address; every user of the tenant, or the one with an id. */
  list(query?: { id?: string | undefined }): Promise<ListedUser[]>
  /** Every role of the tenant, by name. */
  listRoles(): Promise<Role[]>
}
export interface UserChanges extends UserQueries {
  insertRole(role: Role): Promise<void>
  /** Gives a role that there is other permissions. */
  updateRole(role: Role): Promise<void>
  insert(user: { id: string; email: string; roles: readonly string[]; createdAt: number }): Promise<void>
  /** Gives a user that there is other roles, and says whether they may act. */
  update(user: { id: string; roles: readonly string[]; active: boolean }): Promise<void>
}

export interface Policy {
  id: string
  roleName: string
  agentType: string
  allowedPermissions: readonly string[]
  resources: readonly string[]
  maxTtlSeconds: number
  enabled: boolean
  clientId?: string | undefined
  createdBy?: string | undefined
  createdAt: number
  updatedAt: number
}
export interface PolicyQueries {
  find(id: string): Promise<Policy | undefined>
  /**
   * The enabled policy that lets one of the roles delegate to this client of this kind of agent: one that is bound to
   * it before one for every client, the oldest first. One that is bound elsewhere only where there is no other.
   */
  findApplicable(roles: readonly string[], agentType: string, clientId: string): Promise<Policy | undefined>
  findByTerms(roleName: string, agentType: string): Promise<Policy | undefined>
  /** Newest first. */
  list(query: {
    roleName?: string | undefined
    agentType?: string | undefined
    enabled?: boolean | undefined
    clientId?: string | undefined
  }): Promise<Policy[]>
}
export interface PolicyChanges extends PolicyQueries {
  insert(policy: Policy): Promise<void>
  /** Puts a policy in the place of the one with its id. */
  update(policy: Policy): Promise<void>
  /** Removes a policy that no delegation names any more. */
  remove(id: string): Promise<void>
}

export type DelegationStatus = 'active' | 'expired' | 'revoked'
export interface Delegation {
  id: string
  clientId: string
  userId: string
  policyId: string
  permissions: readonly string[]
  resources: readonly string[]
  audience: readonly string[]
  jti: string
  /** The base token, sealed: only the authority opens it. */
  sealedToken: Uint8Array
  status: DelegationStatus
  ttlSeconds: number
  createdAt: number
  updatedAt: number
  expiresAt: number
}
/** Everything that decides whether a base token may be exchanged, read in one question. */
export interface Standing {
  delegation: Pick<Delegation, 'id' | 'jti' | 'status' | 'expiresAt' | 'permissions' | 'resources'>
  client: Pick<Client, 'id' | 'agentType' | 'spiffeId' | 'active'> & ClientCredentials
  user: User
  policy: Pick<
    Policy,
    'id' | 'roleName' | 'agentType' | 'allowedPermissions' | 'resources' | 'enabled' | 'clientId'
  >
  /** Undefined when it is not registered. */
  resource: Pick<Resource, 'uri' | 'permissions' | 'signingAlg' | 'clientId'> | undefined
  /** The revision under which all of it was read. */
  revision: number
}
/** A delegation as it is listed. */
export interface ListedDelegation extends Omit<Delegation, 'sealedToken'> {
  clientName: string
}
export interface DelegationQueries {
  findByClient(clientId: string): Promise<Delegation | undefined>
  /** The one whose base token has this id. */
  findByJti(jti: string): Promise<Delegation | undefined>
  /** With the name of their client and without their tokens, the latest first; live or not. */
  list(query: { clientId?: string | undefined; limit: number }): Promise<ListedDelegation[]>
  findStanding(clientId: string, resourceUri: string): Promise<Standing | undefined>
  /** Those that came to their end by `now` while they were active, unless that is recorded; the first to end first. */
  listEnded(now: number, limit: number): Promise<Delegation[]>
  /** When the next one comes to its end, or has come without a record of it. */
  findNextEnd(): Promise<number | undefined>
  /**
   * A number that changes with every change of a client, user, role, policy, resource, rule or delegation: what was
   * decided under a number still holds while the number stands.
   */
  revision(): Promise<number>
}
export interface DelegationChanges extends DelegationQueries {
  /** Puts a delegation in the place of the client's former one, whose id and creation time it keeps. */
  replace(delegation: Delegation): Promise<Delegation>
  setStatus(clientId: string, status: DelegationStatus, updatedAt: number): Promise<void>
  /** Notes that the end of a delegation is recorded; false where it is already, or another one is in its place. */
  noteEnd(delegation: Pick<Delegation, 'clientId' | 'jti'>): Promise<boolean>
  /** Every one, live or not, with its sealed base token. */
  listAll(): Promise<Delegation[]>
  /** Puts the same base token in its place, sealed anew. */
  reseal(clientId: string, sealedToken: Uint8Array): Promise<void>
  /** Removes every delegation under a policy, and says how many there were. */
  removeByPolicy(policyId: string): Promise<number>
  /** Removes the delegation of a client, if there is one. */
  removeByClient(clientId: string): Promise<void>
}

export interface StoredKey {
  kid: string
  purpose: string
  alg: string
  state: string
  /** Absent for a symmetric key. */
  publicJwk?: string | undefined
  sealedJwk: Uint8Array
  createdAt: number
  /** Since when every server has published it. */
  publishedAt?: number | undefined
  activatedAt?: number | undefined
  /** When it signed last, or would have. */
  stoppedAt?: number | undefined
}
export interface KeyQueries {
  /** Oldest first. */
  list(): Promise<StoredKey[]>
  findState(kid: string): Promise<string | undefined>
  /** A number that changes with every change of a key that `advance` has announced. */
  revision(): Promise<number>
}
export interface KeyChanges extends KeyQueries {
  insert(key: StoredKey): Promise<void>
  /** Puts a key in the place of the one with its id. */
  update(key: StoredKey): Promise<void>
  remove(kid: string): Promise<void>
  /** Notes since when every server has published a key, unless that is known. */
  notePublished(kid: string, at: number): Promise<void>
  /**
   * Announces changes that were decided under a revision; false where somebody else has changed keys since, and then
   * nothing of them may be done. It changes the revision of authority too, so that nothing is issued unawares.
   */
  advance(from: number): Promise<boolean>
}

/** What a record can be searched by; all of it is derived from the record. */
export interface AuditTerms {
  id: string
  type: string
  outcome: string
  reason?: string | undefined
  client?: string | undefined
  subject?: string | undefined
  jti?: string | undefined
  parentJti?: string | undefined
  delegation?: string | undefined
  txn?: string | undefined
  policy?: string | undefined
  occurredAt: number
}
/** A record ready to be stored: its canonical bytes and what is derived from them for search. */
export interface AuditRecord extends AuditTerms {
  record: string
  /** Personal data, kept beside the record and never part of it. */
  ip?: string | undefined
  userAgent?: string | undefined
}
export interface AuditQuery {
  filter?: AuditFilter | undefined
  /** Only events with a higher sequence number. */
  after?: number | undefined
  /** Only events with a lower one. */
  before?: number | undefined
  limit: number
  /** The newest `limit` events that match instead of the oldest; ascending all the same. */
  newest?: boolean | undefined
}
/** What a search has found when it stopped, and how far it came. */
export interface AuditScan {
  records: StoredRecord[]
  /** The last sequence number that was looked at: every match up to it is there, or with `newest` down to it. */
  seen: number
}
export interface StoredRecord {
  seq: number
  record: string
}
export interface AuditQueries {
  /** In ascending order, however many records have to be looked at. */
  search(query: AuditQuery): Promise<StoredRecord[]>
  /** The same, but stops after about `budget` records that were looked at. */
  scan(query: AuditQuery, budget: number): Promise<AuditScan>
  /** The newest first, with the personal data that is kept beside the records. */
  page(query: AuditPageQuery): Promise<AuditPage>
  /** The highest sequence number; -1 while the log is empty. */
  head(): Promise<number>
  /** The lowest sequence number; undefined while there is no record. */
  first(): Promise<number | undefined>
  /** When the newest of the records from one sequence number up to another was written. */
  findNewestTime(from: number, to: number): Promise<number | undefined>
  /** What is kept beside records, by their sequence numbers. */
  findPersonal(seqs: readonly number[]): Promise<ReadonlyMap<number, PersonalData>>
  /** The record of one event. */
  find(id: string): Promise<StoredRecord | undefined>
}
export interface AuditChanges extends AuditQueries {
  /** Stored with the others of the transaction just before it commits, numbered without gaps. */
  append(record: AuditRecord): void
  /**
   * Takes the records below a number into the indexes of the search, which finds the others too, though not as fast:
   * whoever appends needs not wait for that.
   */
  index(end: number): Promise<void>
  /** Removes the records below a sequence number, and what is kept beside them. */
  prune(below: number): Promise<void>
  /** Removes what is kept beside the records whose ids sort before one. */
  erasePersonal(beforeId: string): Promise<void>
  /** Makes what was derived for the search anew for the next records after a number; `reindexAudit` does so for all. */
  reindex(after: number): Promise<IndexStep>
  /** Makes one of the indexes of the search anew. */
  renewIndex(name: string): Promise<void>
}
