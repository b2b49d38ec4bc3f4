import { isJsonObject, type JsonObject } from '../core/strict-json.js'
import { readShape, readShapes, type Shaped } from './answer.js'
import { type ApiTarget, callServer } from './http.js'
import type { Explanation, Refusal } from './refusal.js'

/** What a server sends of a client. */
export const CLIENT = {
  client_id: 'text',
  name: 'text',
  /** Whether it may act; some servers say it as `status` only. */
  active: 'flag?',
  /** `Active` or `Inactive`. */
  status: 'text?',
  /** Whom to write to about it. */
  email: 'text?',
  /** Such as `ai_agent` or `application`. */
  client_type: 'text?',
  /** The kind of agent, which a policy names. */
  agent_type: 'text?',
  spiffe_id: 'text?',
  /** RFC 3339. */
  created_at: 'text?',
  /** How it proves who it is, where the server says so. */
  token_endpoint_auth_method: 'text?',
} as const

/** A registered application or agent, as AuthSec sends it. */
export type Client = Shaped<typeof CLIENT>

export interface ClientRegistration {
  name: string
  email: string
  type: string
  agentType?: string | undefined
  platform?: string | undefined
  selectors?: Readonly<Record<string, string>> | undefined
}

/** The most clients that AuthSec sends as one page. */
const PAGE_SIZE = 100

/** Registers a client, of an agent with its SPIFFE id; `warnings` are what the server wants to be noticed about it. */
export async function registerClient(
  target: ApiTarget,
  tenantId: string,
  registration: ClientRegistration,
): Promise<{ client: Client; warnings: string[] }> {
  const body = await callServer(target, {
    method: 'POST',
    path: `${clientsPath(tenantId)}/create`,
    session: 'required',
    json: {
      name: registration.name,
      email: registration.email,
      client_type: registration.type,
      agent_type: registration.agentType,
      platform: registration.platform,
      selectors: registration.selectors,
    },
  })
  const { warnings } = readShape(body, { warnings: 'texts' }, 'answer')
  return { client: readShape(body, CLIENT, 'client'), warnings }
}

export interface ClientSearch {
  /** A part of the name, in whatever case. */
  name?: string | undefined
  active?: boolean | undefined
  /** How many clients at most. */
  limit: number
}

/** Reads clients page by page until there are `limit` of them or no more. */
export async function listClients(
  target: ApiTarget,
  tenantId: string,
  { name, active, limit }: ClientSearch,
): Promise<Client[]> {
  const found: Client[] = []
  for (let page = 1; found.length < limit; page++) {
    const { clients, pages } = await readPage(target, tenantId, page, { name, active })
    found.push(...clients.filter((client) => active === undefined || isActive(client) === active))
    if (clients.length === 0 || page >= pages) break
  }
  return found.slice(0, limit)
}

/** Reads one client by its UUID; throws `client_not_found`. */
export async function findClient(target: ApiTarget, tenantId: string, id: string): Promise<Client> {
  const body = await callServer(target, {
    method: 'GET',
    path: clientPath(tenantId, id),
    session: 'required',
    explain: explainMissingClient(id),
  })
  return readShape(body, CLIENT, 'client')
}

/** What may be changed of a client; what is left out stays. */
export interface ClientPatch {
  name?: string | undefined
  email?: string | undefined
  tags?: readonly string[] | undefined
}

/** Changes a client; throws `client_not_found`. */
export async function updateClient(
  target: ApiTarget,
  tenantId: string,
  id: string,
  patch: ClientPatch,
): Promise<Client> {
  const body = await callServer(target, {
    method: 'PATCH',
    path: clientPath(tenantId, id),
    session: 'required',
    json: patch,
    explain: explainMissingClient(id),
  })
  return readShape(body, CLIENT, 'client')
}

/** Lets a client act, or keeps it from acting; throws `client_not_found`. */
export async function setClientActive(
  target: ApiTarget,
  tenantId: string,
  id: string,
  active: boolean,
): Promise<Client> {
  const body = await callServer(target, {
    method: 'PATCH',
    path: `${clientPath(tenantId, id)}/${active ? 'activate' : 'deactivate'}`,
    session: 'required',
    explain: explainMissingClient(id),
  })
  return readShape(isJsonObject(body) ? body['client'] : undefined, CLIENT, 'client')
}

/** Deletes a client; `complete` its delegation and the policies bound to it too. Throws `client_not_found`. */
export async function deleteClient(
  target: ApiTarget,
  tenantId: string,
  id: string,
  { complete }: { complete: boolean },
): Promise<void> {
  const body = await callServer(target, {
    ...(complete
      ? {
          method: 'POST',
          path: `${clientsPath(tenantId)}/delete-complete`,
          json: { tenant_id: tenantId, client_id: id },
        }
      : { method: 'DELETE', path: clientPath(tenantId, id) }),
    session: 'required',
    explain: explainMissingClient(id),
  })
  readShape(body, { message: 'text' }, 'answer')
}

const OPEN_DYNAMIC = {
  client_id: 'text',
  /** Where the client reads and changes its registration, RFC 7592. */
  registration_client_uri: 'text?',
  client_name: 'text?',
  /** How it proves who it is. */
  token_endpoint_auth_method: 'text?',
  /** What it may ask tokens by. */
  grant_types: 'texts',
  /** What it may have for itself, separated by spaces. */
  scope: 'text?',
  /** The kind of agent, which a policy names. */
  agent_type: 'text?',
  spiffe_id: 'text?',
} as const

const DYNAMIC = {
  ...OPEN_DYNAMIC,
  /** Shown this once; absent where the client proves itself by a key, or not at all. */
  client_secret: 'text?',
  /** What the client needs at its `registration_client_uri`; shown this once. */
  registration_access_token: 'text?',
} as const

/** The answer to a dynamic registration, RFC 7591 §3.2.1. */
export type DynamicClient = Shaped<typeof DYNAMIC>

/** The same without what is secret of it. */
export type OpenDynamicClient = Shaped<typeof OPEN_DYNAMIC>

/** Registers a client by RFC 7591 with the metadata as they are given; an admin session goes along where there is one. */
export async function registerDynamically(target: ApiTarget, metadata: JsonObject): Promise<DynamicClient> {
  const body = await callServer(target, {
    method: 'POST',
    path: '/oauth/register',
    session: 'optional',
    json: metadata,
  })
  return readShape(body, DYNAMIC, 'registration')
}

/** The keys of the selectors by which a platform recognises a workload; none where the server does not say. */
export async function listSelectorKeys(
  target: ApiTarget,
  tenantId: string,
  platform: string,
): Promise<string[]> {
  const body = await callServer(target, {
    method: 'GET',
    path: `${clientsPath(tenantId)}/platform-selectors`,
    session: 'required',
    query: { platform },
  })
  return readShape(body, { selector_keys: 'texts' }, 'list of selectors').selector_keys
}

/** Whether a client may act at all; AuthSec says it as `active` or as `status`. */
export function isActive(client: Client): boolean {
  return client.active ?? client.status === 'Active'
}

/** Says of 404 that there is no such client. */
export function explainMissingClient(id: string): (refusal: Refusal) => Explanation | undefined {
  return ({ status }) =>
    status === 404
      ? {
          code: 'client_not_found',
          message: `no client ${id}`,
          hint: 'See authsec client list for the clients there are.',
        }
      : undefined
}

async function readPage(
  target: ApiTarget,
  tenantId: string,
  page: number,
  { name, active }: Omit<ClientSearch, 'limit'>,
): Promise<{ clients: Client[]; pages: number }> {
  const body = await callServer(target, {
    method: 'GET',
    path: `${clientsPath(tenantId)}/getClients`,
    session: 'required',
    query: { page, limit: PAGE_SIZE, name, active_only: String(active === true) },
  })
  const answer = readShape(body, {}, 'list of clients')
  const pagination = answer['pagination'] as JsonObject | undefined
  const pages = pagination?.['total_pages']
  return {
    clients: readShapes(answer['clients'], CLIENT, 'client'),
    pages: typeof pages === 'number' ? pages : page,
  }
}

function clientPath(tenantId: string, id: string): string {
  return `${clientsPath(tenantId)}/${encodeURIComponent(id)}`
}

function clientsPath(tenantId: string): string {
  return `/authsec/clientms/tenants/${encodeURIComponent(tenantId)}/clients`
}
