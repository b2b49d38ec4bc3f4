import { randomUUID } from 'node:crypto'
import type { AuditDraft } from '../core/audit-record.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { readUuid } from '../core/uuid.js'
import type { Client, ClientPage, Queries, Store } from '../store/store.js'
import type { AuditLog, Provenance } from './audit/log.js'
import { findById } from './find-by-id.js'
import type { Session } from './sessions.js'

/** What may be said of a new client; every field is untrusted. */
export interface ClientInput {
  name: string
  email: string
  clientType?: string | undefined
  agentType?: string | undefined
  platform?: string | undefined
  selectors?: Readonly<Record<string, string>> | undefined
}

export interface ClientListQuery {
  name?: string | undefined
  email?: string | undefined
  tags?: readonly string[] | undefined
  deleted?: boolean | undefined
  active?: boolean | undefined
  clientType?: string | undefined
  agentType?: string | undefined
  page: number
  limit: number
}

export interface Clients {
  /** Registers a client; an `ai_agent` gets its SPIFFE id at once. Throws `invalid_request`. */
  register(input: ClientInput, session: Session, provenance: Provenance): Promise<Client>
  list(query: ClientListQuery): Promise<ClientPage>
  /** Throws `client_not_found`. */
  find(id: string): Promise<Client>
}

/** The type of a client that acts for people. */
export const AGENT_CLIENT_TYPE = 'ai_agent'

/** AuthSec's default SPIFFE trust domain. */
const TRUST_DOMAIN = 'example.org'

/** Which selectors a workload of a platform can be recognised by. */
export const PLATFORM_SELECTORS: Readonly<Record<string, readonly string[]>> = {
  kubernetes: ['k8s:ns', 'k8s:sa', 'k8s:pod-label:app', 'k8s:container-name'],
  docker: ['docker:label:app', 'docker:image-id', 'docker:container-id'],
  unix: ['unix:uid', 'unix:gid'],
}

const MAX_EMAIL_LENGTH = 512
/** It becomes a segment of a SPIFFE id, whose alphabet this is; `.` and `..` are no segments (SPIFFE-ID §2.2). */
export const AGENT_TYPE: RegExp = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}$/
/** What is said of one that does not fit. */
export const AGENT_TYPE_RULE = 'may hold letters, digits, dots, dashes and underscores only, 100 at most'

export function createClients(options: {
  store: Store
  audit: AuditLog
  clock: () => number
  tenantId: string
}): Clients {
  const { store, audit, clock, tenantId } = options
  return {
    register(input, session, provenance) {
      const actor = { type: 'user', id: session.user.id } as const
      return audit.attempt({ type: 'client.registered', actor }, provenance, async (attempt) => {
        const client = createClient(input, tenantId, clock())
        attempt.note(describeClient(client))
        await attempt.commit((transaction) => transaction.clients.insert(client))
        return client
      })
    },
    list: ({ page, ...query }) => store.clients.list({ ...query, offset: (page - 1) * query.limit }),
    find: (id) => findClient(store, id),
  }
}

/** The client with an id, unless it was deleted; throws `client_not_found`. */
export async function findClient({ clients }: Pick<Queries, 'clients'>, id: string): Promise<Client> {
  const client = await findById(clients, id)
  if (client === undefined || client.deletedAt !== undefined) {
    throw new AuthsecError('client_not_found', `no client ${quote(id)}`)
  }
  return client
}

/** The same of a client that acts for people. */
export async function findAgent({ clients }: Pick<Queries, 'clients'>, id: string): Promise<Client> {
  const client = await findById(clients, id)
  if (client?.clientType !== AGENT_CLIENT_TYPE || client.deletedAt !== undefined) {
    throw new AuthsecError('client_not_found', `no agent ${quote(id)}`)
  }
  return client
}

/** The id of a client that is named as something's own; throws `invalid_request` in AuthSec's words for what is none. */
export function readClientId(text: string): string {
  const id = readUuid(text)
  if (id === undefined) throw new AuthsecError('invalid_request', 'Invalid client_id format')
  return id
}

/** Throws `client_not_found` unless there is a client with an id, and it is active. */
export async function assertActiveClient({ clients }: Pick<Queries, 'clients'>, id: string): Promise<void> {
  if ((await clients.find(id))?.active) return
  throw new AuthsecError('client_not_found', `no active client ${quote(id)}`)
}

/** What the log tells of a new client. */
export function describeClient({ id, clientType, agentType, authMethod }: Client): Partial<AuditDraft> {
  return {
    client: id,
    details: {
      client_type: clientType,
      ...(agentType && { agent_type: agentType }),
      ...(authMethod !== 'none' && { auth_method: authMethod }),
    },
  }
}

/** Whether a text has the form of an e-mail address. */
export function isEmail(text: string): boolean {
  return /^[^\s@]+@[^\s@]+$/.test(text)
}

/** Throws `invalid_request` for what is no e-mail address. */
export function assertEmail(email: string): void {
  if (!isEmail(email) || email.length > MAX_EMAIL_LENGTH)
    throw invalid('email', email, 'is not an e-mail address')
}

/** A client from what was said of it; throws `invalid_request` naming the first field that is wrong. */
export function createClient(input: ClientInput, tenantId: string, now: number): Client {
  assertClientInput(input)
  const id = randomUUID()
  const clientType = input.clientType ?? 'application'
  const isAgent = clientType === AGENT_CLIENT_TYPE
  return {
    id,
    name: input.name,
    email: input.email,
    clientType,
    agentType: input.agentType,
    spiffeId: isAgent ? formatSpiffeId(tenantId, input.agentType, id) : undefined,
    platform: input.platform,
    selectors: input.selectors ?? {},
    active: true,
    authMethod: 'none',
    tags: [],
    oidcEnabled: false,
    createdAt: now,
    updatedAt: now,
  }
}

/** AuthSec's form of an agent's SPIFFE id. */
export function formatSpiffeId(tenantId: string, agentType: string | undefined, clientId: string): string {
  const segment = agentType ?? AGENT_CLIENT_TYPE
  return `spiffe://${TRUST_DOMAIN}/tenants/${tenantId}/agents/${segment}/${clientId}`
}

/** Throws `invalid_request` naming the first field that is wrong. */
export function assertClientInput({
  name,
  email,
  clientType,
  agentType,
  platform,
  selectors,
}: ClientInput): void {
  if (name.trim() === '' || name.length > 256) throw invalid('name', name, 'has to have 1 to 256 characters')
  assertEmail(email)
  if (clientType !== undefined && (clientType === '' || clientType.length > 100)) {
    throw invalid('client_type', clientType, 'has to have 1 to 100 characters')
  }
  if (agentType !== undefined && !AGENT_TYPE.test(agentType)) {
    throw invalid('agent_type', agentType, AGENT_TYPE_RULE)
  }
  if (platform !== undefined && !Object.hasOwn(PLATFORM_SELECTORS, platform)) {
    throw invalid('platform', platform, `is none of ${Object.keys(PLATFORM_SELECTORS).join(', ')}`)
  }
  const allowed = platform === undefined ? [] : (PLATFORM_SELECTORS[platform] ?? [])
  const foreign = Object.keys(selectors ?? {}).find((key) => !allowed.includes(key))
  if (foreign !== undefined) {
    throw invalid('selectors', foreign, `does not belong to platform ${quote(platform ?? 'none')}`)
  }
}

function invalid(field: string, value: string, why: string): AuthsecError {
  return new AuthsecError('invalid_request', `${field} ${quote(value)} ${why}`)
}
