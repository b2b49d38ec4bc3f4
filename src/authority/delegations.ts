import { randomUUID } from 'node:crypto'
import type { AuditDraft, AuditParty } from '../core/audit-record.js'
import type { BaseClaims } from '../core/claims.js'
import { AuthsecError } from '../core/errors.js'
import { parseJwt } from '../core/jwt.js'
import { quote } from '../core/printable.js'
import { formatTime } from '../core/time.js'
import { readUuid } from '../core/uuid.js'
import type {
  Client,
  Delegation,
  ListedDelegation,
  Queries,
  Store,
  Transaction,
  User,
} from '../store/store.js'
import type { AddEvent, Attempt, AuditLog, Provenance } from './audit/log.js'
import { createBaseClaims, signBaseToken } from './base-tokens.js'
import { recordEnd } from './delegation-ends.js'
import { agreeTerms, type DelegationTerms, type GrantInput } from './delegation-terms.js'
import type { Envelope } from './envelope.js'
import type { AssertSigning } from './keys.js'
import { placeOfBaseToken } from './sealed-places.js'
import { limitUser } from './sessions.js'
import {
  hashSigningInput,
  hasValidSignature,
  type SignedJwt,
  type SigningKey,
  type SigningKeys,
} from './signer.js'

/** A delegation with its base token in the clear. */
export interface HeldDelegation {
  delegation: Delegation
  client: Client
  token: string
  /** What the grant allows beyond what its author may have meant, in words. */
  warnings: string[]
}

export interface Delegations {
  /**
   * Delegates from a user to an agent and replaces what the agent had before. Throws `client_not_found`,
   * `client_inactive`, `identity_missing`, `delegation_not_allowed`, `nothing_to_delegate`,
   * `policy_bound_elsewhere`, and `conflict` where that was changed at the same time.
   */
  grant(input: GrantInput, user: User, provenance: Provenance): Promise<HeldDelegation>
  /**
   * Delegates as `grant` does, as part of something larger: it is there, and recorded, with all the rest or not at all.
   */
  grantWithin(transaction: Transaction, add: AddEvent, input: GrantInput, user: User): Promise<void>
  /**
   * The agent's base token, for the agent itself unless `puller` is somebody else. Throws `client_not_found`,
   * `no_delegation`, and once `delegation_expired`.
   */
  pull(clientId: string, provenance: Provenance, puller?: AuditParty): Promise<HeldDelegation>
  /** The agent's active delegation, also where nobody has found it expired yet; undefined when it has none. */
  findActive(clientId: string): Promise<Delegation | undefined>
  /** The user whose delegation the agent has, live or not. */
  findDelegator(clientId: string): Promise<string | undefined>
  /** Every delegation, or that of one client, live or not; none of them with its token. */
  list(query: { clientId?: string | undefined; limit: number }): Promise<ListedDelegation[]>
  /** Ends the agent's delegation at once. Throws `no_delegation`. */
  revoke(clientId: string, user: User, provenance: Provenance): Promise<void>
}

/** A delegation that is signed and not kept yet. */
interface PreparedDelegation {
  terms: DelegationTerms
  key: SigningKey
  signed: SignedJwt
  delegation: Delegation
}

export interface DelegationsOptions {
  store: Store
  audit: AuditLog
  envelope: Envelope
  keys: SigningKeys
  assertSigning: AssertSigning
  /** Throws while nothing may be granted: for want of room, or of a log that is signed. */
  assertIssuing: () => void
  clock: () => number
  tenantId: string
}

export function createDelegations(options: DelegationsOptions): Delegations {
  const { store, audit, envelope, keys, assertSigning, assertIssuing, clock, tenantId } = options

  // AuthSec publishes one key: what an older one signed has to be signed anew before a verifier can read it.
  async function renew(token: string, delegation: Delegation, transaction: Transaction): Promise<string> {
    const { active } = keys
    const parsed = parseJwt(token)
    if (hasValidSignature(active, parsed)) return token
    await assertSigning(active, transaction)
    const signed = signBaseToken(active, parsed.claims as object as BaseClaims)
    const sealedToken = envelope.seal(Buffer.from(signed.token), placeOfBaseToken(delegation.clientId))
    await transaction.delegations.replace({ ...delegation, sealedToken })
    return signed.token
  }

  /** Signs what has been agreed; nothing is kept yet. */
  function prepare(terms: DelegationTerms, input: GrantInput, user: User): PreparedDelegation {
    const { client, policy, permissions, resources, ttlSeconds } = terms
    const { audience, agentType } = input
    const now = wholeSeconds(clock())
    const unsealed: Omit<Delegation, 'sealedToken'> = {
      id: randomUUID(),
      clientId: client.id,
      userId: user.id,
      policyId: policy.id,
      permissions,
      resources,
      audience,
      jti: randomUUID(),
      status: 'active',
      ttlSeconds,
      createdAt: now,
      updatedAt: now,
      expiresAt: now + ttlSeconds * 1000,
    }
    const agent = { spiffeId: client.spiffeId, agentType }
    const key = keys.active
    const signed = signBaseToken(key, createBaseClaims(unsealed, agent, tenantId))
    const sealedToken = envelope.seal(Buffer.from(signed.token), placeOfBaseToken(client.id))
    return { terms, key, signed, delegation: { ...unsealed, sealedToken } }
  }

  /** Puts a delegation in the place of the one that the agent had; returns it with what the log tells of it. */
  async function keep(
    { terms, key, signed, delegation: asked }: PreparedDelegation,
    transaction: Transaction,
    add: AddEvent,
  ): Promise<{ delegation: Delegation; facts: Partial<AuditDraft> }> {
    const former = await transaction.delegations.findByClient(asked.clientId)
    if (former?.status === 'active' && former.expiresAt <= clock()) await recordEnd(former, transaction, add)
    const delegation = await transaction.delegations.replace(asked)
    const { permissions, resources, ttlSeconds, warnings } = terms
    const facts: Partial<AuditDraft> = {
      jti: asked.jti,
      delegation: delegation.id,
      token_hash: signed.tokenHash,
      kid: key.kid,
      policy: asked.policyId,
      permissions: { granted: permissions },
      details: { resources, ttl_seconds: ttlSeconds, ...(warnings.length > 0 && { warnings }) },
    }
    return { delegation, facts }
  }

  return {
    grant(input, user, provenance) {
      return audit.attempt(draftGrant(input, user), provenance, async (attempt) => {
        assertIssuing()
        const terms = await agreeTerms(store, input, user)
        const prepared = prepare(terms, input, user)
        const delegation = await attempt.commit(async (transaction, add) => {
          await assertSigning(prepared.key, transaction)
          assertSameTerms(terms, await agreeTerms(transaction, input, await findCurrent(user, transaction)))
          const kept = await keep(prepared, transaction, add)
          attempt.note(kept.facts)
          return kept.delegation
        })
        const { client, warnings } = terms
        return { delegation, client, token: prepared.signed.token, warnings }
      })
    },

    async grantWithin(transaction, add, input, user) {
      assertIssuing()
      const prepared = prepare(await agreeTerms(transaction, input, user), input, user)
      await assertSigning(prepared.key, transaction)
      const { facts } = await keep(prepared, transaction, add)
      add({ ...draftGrant(input, user), ...facts })
    },

    pull(clientId, provenance, puller = { type: 'client', id: clientId }) {
      const draft = { type: 'delegation.pulled', actor: puller, client: clientId } as const
      return audit.attempt(draft, provenance, async (attempt) => {
        const { delegation: seen, client } = await findLive(store, clientId)
        noteDelegation(attempt, seen)
        if (seen.expiresAt <= clock()) {
          return await attempt.refuse(expired(seen), async (transaction, add) => {
            const { delegation } = await findLive(transaction, clientId)
            if (delegation.jti !== seen.jti) throw noDelegation(client)
            await recordEnd(delegation, transaction, add)
            await transaction.delegations.setStatus(clientId, 'expired', wholeSeconds(clock()))
          })
        }
        return attempt.commit(async (transaction) => {
          // A grant may have replaced it meanwhile: what is handed out is what stands now.
          const { delegation, client } = await findLive(transaction, clientId)
          const stored = Buffer.from(
            envelope.open(delegation.sealedToken, placeOfBaseToken(clientId)),
          ).toString()
          const token = await renew(stored, delegation, transaction)
          noteDelegation(attempt, delegation)
          attempt.note({
            kid: keys.active.kid,
            token_hash: hashSigningInput(token.slice(0, token.lastIndexOf('.'))),
            aud: [...delegation.audience],
            permissions: { granted: [...delegation.permissions] },
          })
          return { delegation, client, token, warnings: [] }
        })
      })
    },

    list: (query) => store.delegations.list(query),
    async findDelegator(clientId) {
      return (await store.delegations.findByClient(clientId))?.userId
    },
    async findActive(clientId) {
      const delegation = await store.delegations.findByClient(clientId)
      return delegation?.status === 'active' ? delegation : undefined
    },

    revoke(clientId, user, provenance) {
      const draft = {
        type: 'delegation.revoked',
        actor: { type: 'user', id: user.id },
        client: readUuid(clientId),
      } as const
      return audit.attempt(draft, provenance, async (attempt) => {
        await attempt.commit(async (transaction) => {
          const delegation = await transaction.delegations.findByClient(clientId)
          if (delegation?.status !== 'active') {
            throw new AuthsecError('no_delegation', `client ${quote(clientId)} has no active delegation`)
          }
          noteDelegation(attempt, delegation)
          await transaction.delegations.setStatus(clientId, 'revoked', wholeSeconds(clock()))
        })
      })
    },
  }
}

function draftGrant(input: GrantInput, user: User): AuditDraft {
  return {
    type: 'delegation.granted',
    actor: { type: 'user', id: user.id },
    subject: { type: 'user', id: user.id },
    client: readUuid(input.clientId),
    aud: [...input.audience],
  }
}

/** The user as of now, who still may do no more than the session that was read before. */
async function findCurrent(user: User, { users }: Transaction): Promise<User> {
  const current = await users.find(user.id)
  if (current?.active !== true) throw new AuthsecError('access_denied', 'the user is not active')
  return limitUser(current, [...user.permissions])
}

// What has been signed must be what is delegated: a policy or an agent may have been changed meanwhile.
function assertSameTerms(signed: DelegationTerms, current: DelegationTerms): void {
  const describe = ({ client, policy, permissions, resources, ttlSeconds }: DelegationTerms) =>
    JSON.stringify([client.spiffeId, policy.id, permissions, resources, ttlSeconds])
  if (describe(signed) === describe(current)) return
  throw new AuthsecError('conflict', 'what may be delegated was changed at the same time', {
    hint: 'Look at the policy and try again.',
  })
}

/** The delegation that the agent may use: active, as are the agent and the user. */
async function findLive(
  queries: Queries,
  clientId: string,
): Promise<{ client: Client; delegation: Delegation }> {
  const [client, delegation] = await Promise.all([
    queries.clients.find(clientId),
    queries.delegations.findByClient(clientId),
  ])
  if (client === undefined || client.deletedAt !== undefined) {
    throw new AuthsecError('client_not_found', `no client ${quote(clientId)}`)
  }
  if (delegation?.status !== 'active' || !client.active) throw noDelegation(client)
  const user = await queries.users.find(delegation.userId)
  if (!user?.active) throw noDelegation(client)
  return { client, delegation }
}

function noteDelegation(attempt: Attempt, { id, userId, jti }: Delegation): void {
  attempt.note({ subject: { type: 'user', id: userId }, delegation: id, jti })
}

// As AuthSec's own clients can read them.
function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000) * 1000
}

function noDelegation(client: Client): AuthsecError {
  return new AuthsecError('no_delegation', `client ${quote(client.name)} has no active delegation`, {
    hint: 'An admin must delegate a token first via POST /uflow/admin/agents/:id/delegate-token',
  })
}

function expired({ expiresAt }: Delegation): AuthsecError {
  return new AuthsecError('delegation_expired', `the delegation expired at ${formatTime(expiresAt)}`, {
    hint: 'Admin must re-delegate via POST /uflow/admin/agents/:id/delegate-token',
    details: { expired_at: formatTime(expiresAt) },
  })
}
