import type { AuditEventType } from '../core/audit-record.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { JsonObject } from '../core/strict-json.js'
import { readUuid } from '../core/uuid.js'
import type { Client, Store, Transaction } from '../store/store.js'
import type { Attempt, AuditLog, Provenance } from './audit/log.js'
import { createSecret, hashSecret } from './client-authentication.js'
import { giveKeys } from './client-keys.js'
import { assertClientInput, findClient } from './clients.js'
import { findById } from './find-by-id.js'
import type { Session } from './sessions.js'

/** What may be changed of a client; what is left out stays. */
export interface ClientPatch {
  name?: string | undefined
  email?: string | undefined
  active?: boolean | undefined
  tags?: readonly string[] | undefined
  hydraClientId?: string | undefined
  oidcEnabled?: boolean | undefined
}

/** Each decides the next pull and exchange already, and throws `client_not_found`. */
export interface ClientChanges {
  /** Throws `invalid_request`, and `conflict` for AuthSec's protected default client. */
  update(id: string, patch: ClientPatch, session: Session, provenance: Provenance): Promise<Client>
  activate(id: string, session: Session, provenance: Provenance): Promise<Client>
  deactivate(id: string, session: Session, provenance: Provenance): Promise<Client>
  /**
   * Gives a client another secret, which is shown this once; the former one is good for `overlapSeconds` yet, at most
   * a week, and one before that no longer. Throws `conflict` for a client that has no secret, `invalid_request`.
   */
  rotateSecret(
    id: string,
    overlapSeconds: number,
    session: Session,
    provenance: Provenance,
  ): Promise<{ client: Client; secret: string }>
  /**
   * Lets a client prove itself by one of these public keys, a JWK Set, and by nothing else from then on. Throws
   * `invalid_client_metadata` for keys that are none or not public, and `conflict` for AuthSec's protected default client.
   */
  setKeys(id: string, jwks: JsonObject, session: Session, provenance: Provenance): Promise<Client>
  /** Deletes a client for everybody who asks; what refers to it stays. */
  remove(id: string, session: Session, provenance: Provenance): Promise<Client>
  /**
   * Deletes a client, also one that was deleted before, with its delegation and the policies that are bound to
   * it. Throws `conflict` for AuthSec's protected default client.
   */
  erase(id: string, session: Session, provenance: Provenance): Promise<Client>
}

/** In seconds: a week. */
const MAX_OVERLAP = 604_800
const MAX_TAGS = 50
const MAX_TAG_LENGTH = 100
// AuthSec knows it by its name.
const DEFAULT_CLIENT = /^default(?: client)?$/i

export function createClientChanges(options: {
  store: Store
  audit: AuditLog
  clock: () => number
}): ClientChanges {
  const { audit, clock } = options

  /** One attempt, one transaction: read, change, write. */
  function change(
    type: AuditEventType,
    id: string,
    { user }: Session,
    provenance: Provenance,
    work: (transaction: Transaction, attempt: Attempt) => Promise<Client>,
  ): Promise<Client> {
    const client = readUuid(id)
    const draft = { type, actor: { type: 'user', id: user.id }, client } as const
    return audit.attempt(draft, provenance, (attempt) =>
      attempt.commit((transaction) => work(transaction, attempt)),
    )
  }

  const replace = async (transaction: Transaction, client: Client): Promise<Client> => {
    const changed = { ...client, updatedAt: clock() }
    await transaction.clients.update(changed)
    return changed
  }

  return {
    update: (id, patch, session, provenance) =>
      change('client.updated', id, session, provenance, async (transaction, attempt) => {
        const client = await findClient(transaction, id)
        assertNotDefault(client)
        const patched = patchClient(client, patch)
        assertClientInput(patched)
        assertTags(patched.tags ?? [])
        attempt.note({ details: { active: patched.active } })
        return replace(transaction, patched)
      }),

    activate: (id, session, provenance) =>
      change('client.activated', id, session, provenance, async (transaction) =>
        replace(transaction, { ...(await findClient(transaction, id)), active: true }),
      ),

    deactivate: (id, session, provenance) =>
      change('client.deactivated', id, session, provenance, async (transaction) =>
        replace(transaction, { ...(await findClient(transaction, id)), active: false }),
      ),

    async rotateSecret(id, overlapSeconds, session, provenance) {
      const secret = createSecret()
      const client = await change(
        'client.secret_rotated',
        id,
        session,
        provenance,
        async (transaction, attempt) => {
          assertOverlap(overlapSeconds)
          const former = await findClient(transaction, id)
          attempt.note({ details: { overlap_seconds: overlapSeconds } })
          return replace(transaction, rotate(former, secret, overlapSeconds, clock()))
        },
      )
      return { client, secret }
    },

    setKeys: (id, jwks, session, provenance) =>
      change('client.updated', id, session, provenance, async (transaction, attempt) => {
        const client = await findClient(transaction, id)
        assertNotDefault(client)
        const keyed = giveKeys(client, jwks)
        attempt.note({ details: { auth_method: keyed.authMethod } })
        return replace(transaction, keyed)
      }),

    remove: (id, session, provenance) =>
      change('client.deleted', id, session, provenance, async (transaction) => {
        const client = await findClient(transaction, id)
        return replace(transaction, { ...client, active: false, deletedAt: clock() })
      }),

    erase: (id, session, provenance) =>
      change('client.deleted', id, session, provenance, async (transaction, attempt) => {
        attempt.note({ details: { complete: true } })
        const client = await findById(transaction.clients, id)
        if (client === undefined) throw new AuthsecError('client_not_found', `no client ${quote(id)}`)
        assertNotDefault(client)
        await eraseClient(transaction, client, attempt)
        return client
      }),
  }
}

async function eraseClient(transaction: Transaction, { id }: Client, attempt: Attempt): Promise<void> {
  await transaction.delegations.removeByClient(id)
  // Without its client a bound policy would let every agent of the type in.
  const bound = await transaction.policies.list({ clientId: id })
  for (const policy of bound) {
    await transaction.delegations.removeByPolicy(policy.id)
    await transaction.policies.remove(policy.id)
  }
  await transaction.clients.remove(id)
  attempt.note({ details: { policies: bound.map((policy) => policy.id) } })
}

function patchClient(client: Client, patch: ClientPatch): Client {
  return {
    ...client,
    name: patch.name ?? client.name,
    email: patch.email ?? client.email,
    active: patch.active ?? client.active,
    tags: patch.tags ?? client.tags,
    hydraClientId: patch.hydraClientId ?? client.hydraClientId,
    oidcEnabled: patch.oidcEnabled ?? client.oidcEnabled,
  }
}

function rotate(client: Client, secret: string, overlapSeconds: number, now: number): Client {
  if (client.secretHash === undefined) {
    throw new AuthsecError('conflict', `client ${quote(client.name)} has no secret: ${client.authMethod}`, {
      hint:
        client.authMethod === 'none'
          ? 'Give it a public key instead: authsec client update ID --jwks FILE.'
          : undefined,
    })
  }
  const formerSecret =
    overlapSeconds === 0 ? undefined : { hash: client.secretHash, expiresAt: now + overlapSeconds * 1000 }
  return { ...client, secretHash: hashSecret(secret), formerSecret }
}

function assertOverlap(seconds: number): void {
  if (Number.isInteger(seconds) && seconds >= 0 && seconds <= MAX_OVERLAP) return
  throw new AuthsecError(
    'invalid_request',
    `overlap_seconds ${quote(seconds)} is not from 0 to ${MAX_OVERLAP}`,
  )
}

function assertNotDefault({ name }: Client): void {
  if (DEFAULT_CLIENT.test(name)) {
    throw new AuthsecError('conflict', 'the default client is protected')
  }
}

function assertTags(tags: readonly string[]): void {
  const wrong = tags.find((tag) => tag.trim() === '' || tag.length > MAX_TAG_LENGTH)
  if (wrong !== undefined || tags.length > MAX_TAGS) {
    throw new AuthsecError(
      'invalid_request',
      `tags have to be at most ${MAX_TAGS}, of 1 to ${MAX_TAG_LENGTH} characters`,
    )
  }
}
