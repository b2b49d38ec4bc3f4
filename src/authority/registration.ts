import { AuthsecError } from '../core/errors.js'
import type { Client, Store, Transaction } from '../store/store.js'
import type { Attempt, AuditLog, Provenance } from './audit/log.js'
import { createSecret, hashSecret, type Mode, matchesSecret } from './client-authentication.js'
import { type ClientMetadata, type EffectiveMetadata, settleMetadata } from './client-metadata.js'
import { AGENT_CLIENT_TYPE, createClient, isEmail } from './clients.js'
import { findById } from './find-by-id.js'
import { assertAdmin, type Session } from './sessions.js'

/** A registered client, with what is shown only where it has just been made. */
export interface Registered {
  client: Client
  metadata: EffectiveMetadata
  /** Shown once: only its hash is kept. */
  secret: string | undefined
  /** The token that manages the registration: a new one after each change. */
  registrationToken: string
}

/** Whose registration, and with which token. */
export interface ManagedRegistration {
  clientId: string
  token: string
}

/** Dynamic client registration, RFC 7591, and its management, RFC 7592. */
export interface Registration {
  /**
   * Registers a client: on a developer's machine for everybody, elsewhere for an admin. Throws `login_required`,
   * `access_denied`, `rate_limited` and what `settleMetadata` throws.
   */
  register(input: ClientMetadata, session: Session | undefined, provenance: Provenance): Promise<Registered>
  /** Throws `invalid_token`, the same for a wrong token and for a client that is gone. */
  read(managed: ManagedRegistration, provenance: Provenance): Promise<Registered>
  /** Puts other metadata in the place of what was registered (RFC 7592 §2.2); throws what `register` and `read` throw. */
  replace(
    managed: ManagedRegistration,
    input: ClientMetadata,
    claim: { clientId: string | undefined; secret: string | undefined },
    provenance: Provenance,
  ): Promise<Registered>
  /** Deletes the client: its tokens are dead from then on. Throws `invalid_token`. */
  remove(managed: ManagedRegistration, provenance: Provenance): Promise<void>
}

export interface RegistrationOptions {
  store: Store
  audit: AuditLog
  clock: () => number
  tenantId: string
  mode: Mode
  /** Every grant type that a client can register for. */
  grantTypes: readonly string[]
}

/** How many clients may have registered without anybody who answers for them. */
const MAX_OPEN_REGISTRATIONS = 1_000

export function createRegistration(options: RegistrationOptions): Registration {
  const { store, audit, clock, tenantId, mode } = options

  async function findManaged({ clientId, token }: ManagedRegistration, attempt: Attempt): Promise<Client> {
    const client = await findById(store.clients, clientId)
    if (client?.registrationTokenHash === undefined || client.deletedAt !== undefined) throw refused()
    if (!matchesSecret(token, client.registrationTokenHash)) throw refused()
    attempt.note({ actor: { type: 'client', id: client.id }, client: client.id })
    return client
  }

  return {
    register(input, session, provenance) {
      const actor = session && ({ type: 'user', id: session.user.id } as const)
      return audit.attempt({ type: 'client.registered', actor }, provenance, async (attempt) => {
        assertMayRegister(session, mode)
        const metadata = settleMetadata(input, options)
        const created = createRegistered(metadata, tenantId, clock())
        const { client } = created
        attempt.note({ client: client.id, details: describe(metadata) })
        await attempt.commit(async (transaction) => {
          if (session === undefined) await assertRoom(transaction)
          await transaction.clients.insert(client)
        })
        return created
      })
    },

    read(managed, provenance) {
      return audit.attempt({ type: 'client.read' }, provenance, async (attempt) => {
        const client = await findManaged(managed, attempt)
        await attempt.commit()
        return { client, metadata: readMetadata(client), secret: undefined, registrationToken: managed.token }
      })
    },

    replace(managed, input, claim, provenance) {
      return audit.attempt({ type: 'client.updated' }, provenance, async (attempt) => {
        const former = await findManaged(managed, attempt)
        assertOwnClaim(claim, former)
        const metadata = settleMetadata(input, options)
        attempt.note({ details: describe(metadata) })
        return attempt.commit(async (transaction) => {
          // Of what stands now: an admin may have deactivated it meanwhile, or given it another secret.
          const changed = changeRegistered(await findCurrent(former, transaction), metadata, clock())
          await transaction.clients.update(changed.client)
          return changed
        })
      })
    },

    remove(managed, provenance) {
      return audit.attempt({ type: 'client.deleted' }, provenance, async (attempt) => {
        const former = await findManaged(managed, attempt)
        await attempt.commit(async (transaction) =>
          removeRegistered(await findCurrent(former, transaction), transaction, clock()),
        )
      })
    },
  }
}

// Two changes with one token: the second comes too late.
async function findCurrent(former: Client, { clients }: Transaction): Promise<Client> {
  const current = await clients.find(former.id)
  if (current === undefined || current.deletedAt !== undefined) throw refused()
  if (current.registrationTokenHash !== former.registrationTokenHash) throw refused()
  return current
}

// What nothing names any more leaves no trace but its records: who registers by itself cannot fill the store.
async function removeRegistered(client: Client, to: Transaction, now: number): Promise<void> {
  const delegation = await to.delegations.findByClient(client.id)
  const isNamed = (await to.policies.list({})).some(({ clientId }) => clientId === client.id)
  if (delegation === undefined && !isNamed) return to.clients.remove(client.id)

  if (delegation?.status === 'active') await to.delegations.setStatus(client.id, 'revoked', now)
  const { secretHash: _, formerSecret: __, jwks: ___, registrationTokenHash: ____, ...rest } = client
  await to.clients.update({ ...rest, active: false, updatedAt: now, deletedAt: now })
}

function assertMayRegister(session: Session | undefined, mode: Mode): void {
  if (session !== undefined) assertAdmin(session)
  else if (mode !== 'dev')
    throw new AuthsecError('invalid_token', 'an admin session is required to register a client')
}

async function assertRoom({ clients }: Transaction): Promise<void> {
  if ((await clients.countRegistered()) < MAX_OPEN_REGISTRATIONS) return
  throw new AuthsecError('rate_limited', `${MAX_OPEN_REGISTRATIONS} clients have registered by themselves`, {
    hint: 'Register with an admin session, or delete some.',
  })
}

function createRegistered(metadata: EffectiveMetadata, tenantId: string, now: number): Registered {
  const blank = createClient(
    {
      name: metadata.clientName ?? 'client',
      email: 'client@authsec.invalid',
      clientType: metadata.clientKind === 'agent' ? AGENT_CLIENT_TYPE : 'application',
      agentType: metadata.agentType,
    },
    tenantId,
    now,
  )
  const email = metadata.contacts?.find(isEmail)
  return changeRegistered({ ...blank, email: email ?? `${blank.id}@authsec.invalid` }, metadata, now)
}

// A secret outlives a change of everything else; one that is not needed any more is forgotten, and its former one with
// it.
function changeRegistered(former: Client, metadata: EffectiveMetadata, now: number): Registered {
  const needsSecret = metadata.authMethod.startsWith('client_secret')
  const isKept = needsSecret && former.secretHash !== undefined
  const secret = needsSecret && !isKept ? createSecret() : undefined
  const registrationToken = createSecret()
  const { jwks, grantTypes, scope, authMethod } = metadata
  return {
    client: {
      ...former,
      name: metadata.clientName ?? former.id,
      authMethod,
      grantTypes,
      scope,
      jwks: jwks && JSON.stringify(jwks),
      secretHash: isKept ? former.secretHash : secret && hashSecret(secret),
      formerSecret: isKept ? former.formerSecret : undefined,
      registrationTokenHash: hashSecret(registrationToken),
      registration: JSON.stringify(metadata),
      updatedAt: now,
    },
    metadata,
    secret,
    registrationToken,
  }
}

function readMetadata({ registration }: Client): EffectiveMetadata {
  return JSON.parse(registration ?? '{}')
}

// RFC 7592 §2.2: the client names itself, and a secret that it sends along is the one it has.
function assertOwnClaim(
  { clientId, secret }: { clientId: string | undefined; secret: string | undefined },
  client: Client,
): void {
  if (clientId?.toLowerCase() !== client.id) {
    throw new AuthsecError('invalid_client_metadata', 'client_id has to be the client of this address')
  }
  if (secret === undefined) return
  if (client.secretHash === undefined || !matchesSecret(secret, client.secretHash)) {
    throw new AuthsecError(
      'invalid_client_metadata',
      'client_secret is not the one of the client: it cannot be chosen',
    )
  }
}

function describe({ authMethod, grantTypes, scope }: EffectiveMetadata) {
  return { auth_method: authMethod, grant_types: [...grantTypes], ...(scope !== undefined && { scope }) }
}

function refused(): AuthsecError {
  return new AuthsecError('invalid_token', 'the registration access token is not valid for this client')
}
