import type { JsonObject } from '../core/strict-json.js'
import { readShape, readShapes, type Shaped } from './answer.js'
import { type ApiTarget, callServer, type Explanation, type Refusal } from './http.js'

const CLIENT = {
  client_id: 'text',
  name: 'text',
  active: 'flag?',
  status: 'text?',
  email: 'text?',
  client_type: 'text?',
  agent_type: 'text?',
  spiffe_id: 'text?',
  created_at: 'text?',
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

/** Registers a client; for an agent the answer carries its SPIFFE id. */
export async function registerClient(
  target: ApiTarget,
  tenantId: string,
  registration: ClientRegistration,
): Promise<Client> {
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
  return readShape(body, CLIENT, 'client')
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
    path: `${clientsPath(tenantId)}/${encodeURIComponent(id)}`,
    session: 'required',
    explain: explainMissingClient(id),
  })
  return readShape(body, CLIENT, 'client')
}

/** Whether a client may act at all; AuthSec says it as `active` or as `status`. */
export function isActive(client: Client): boolean {
  return client.active ?? client.status === 'Active'
}

function explainMissingClient(id: string): (refusal: Refusal) => Explanation | undefined {
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

function clientsPath(tenantId: string): string {
  return `/authsec/clientms/tenants/${encodeURIComponent(tenantId)}/clients`
}
