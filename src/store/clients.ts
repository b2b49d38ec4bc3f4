import { type Expression, type Kysely, type SqlBool, sql } from 'kysely'
import { orUndefined, REVISION_SETTING, readList } from './columns.js'
import { type Resource, toTarget } from './resources.js'
import type { ClientRow, Schema } from './schema.js'

/** How a client proves who it is (RFC 7591 §2, `token_endpoint_auth_method`). */
export type ClientAuthMethod = 'none' | 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt'

/** What decides whether whoever presents itself as a client is that client, and what it may then use. */
export interface ClientCredentials {
  authMethod: ClientAuthMethod
  /** base64url SHA-256 of the secret, which is random and long. */
  secretHash?: string | undefined
  /** The hash of the secret before it, and until when it is good too, in milliseconds since the epoch. */
  formerSecret?: { hash: string; expiresAt: number } | undefined
  /** The public keys of a client that signs assertions: a JWK Set as JSON text. */
  jwks?: string | undefined
  /** The grant types it registered for; undefined for AuthSec's own clients, which register for none. */
  grantTypes?: readonly string[] | undefined
}

export interface Client extends ClientCredentials {
  id: string
  name: string
  email: string
  clientType: string
  agentType?: string | undefined
  spiffeId?: string | undefined
  platform?: string | undefined
  selectors: Readonly<Record<string, string>>
  active: boolean
  createdAt: number
  updatedAt: number
  /** What it may ask for itself (client_credentials): permissions joined by spaces. */
  scope?: string | undefined
  /** base64url SHA-256 of the token that manages its registration (RFC 7592). */
  registrationTokenHash?: string | undefined
  /** The rest of what it registered (RFC 7591 §2), as JSON text. */
  registration?: string | undefined
  /** Words by which people sort clients. */
  tags?: readonly string[] | undefined
  /** What AuthSec keeps of Hydra; nothing here reads it. */
  hydraClientId?: string | undefined
  oidcEnabled?: boolean | undefined
  /** When it was deleted; then it is not active either, and only its traces refer to it. */
  deletedAt?: number | undefined
}
export interface ClientPage {
  clients: Client[]
  total: number
}
/** Everything that decides what a client may have for itself, read in one question. */
export interface ClientStanding {
  client: Client
  /** Undefined when it is not registered. */
  resource: Pick<Resource, 'uri' | 'permissions' | 'signingAlg' | 'clientId'> | undefined
  /** The revision under which all of it was read. */
  revision: number
}
export interface ClientQueries {
  find(id: string): Promise<Client | undefined>
  findStanding(id: string, resourceUri: string): Promise<ClientStanding | undefined>
  /** How many have registered dynamically and are not deleted. */
  countRegistered(): Promise<number>
  /** Newest first; `name` and `email` match a part of them, whatever its case, `tags` each of the tags. */
  list(query: {
    name?: string | undefined
    email?: string | undefined
    tags?: readonly string[] | undefined
    /** Those that were deleted instead of those that were not. */
    deleted?: boolean | undefined
    active?: boolean | undefined
    clientType?: string | undefined
    agentType?: string | undefined
    offset: number
    limit: number
  }): Promise<ClientPage>
}
export interface ClientChanges extends ClientQueries {
  insert(client: Client): Promise<void>
  /** Puts a client in the place of the one with its id. */
  update(client: Client): Promise<void>
  /** Removes a client that no policy and no delegation names any more; what it owned has no owner then. */
  remove(id: string): Promise<void>
}

/** The columns of `ClientCredentials`, wherever they are read together with something else. */
export const CREDENTIAL_COLUMNS = [
  'c.auth_method',
  'c.secret_hash',
  'c.former_secret_hash',
  'c.former_secret_expires_at',
  'c.jwks',
  'c.grant_types',
] as const

/** Reads `ClientCredentials` from its columns. */
export function toCredentials(
  row: Pick<
    ClientRow,
    'auth_method' | 'secret_hash' | 'former_secret_hash' | 'former_secret_expires_at' | 'jwks' | 'grant_types'
  >,
): ClientCredentials {
  return {
    authMethod: row.auth_method as ClientAuthMethod,
    secretHash: orUndefined(row.secret_hash),
    formerSecret:
      row.former_secret_hash === null || row.former_secret_expires_at === null
        ? undefined
        : { hash: row.former_secret_hash, expiresAt: row.former_secret_expires_at },
    jwks: orUndefined(row.jwks),
    grantTypes: row.grant_types === null ? undefined : readList(row.grant_types),
  }
}

export function createClients(db: Kysely<Schema>, touch: () => Promise<void>): ClientChanges {
  return {
    async find(id) {
      const row = await db.selectFrom('clients').selectAll().where('id', '=', id).executeTakeFirst()
      return row && toClient(row)
    },
    async findStanding(id, resourceUri) {
      const row = await db
        .selectFrom('clients as c')
        .leftJoin('resources as r', (join) => join.on('r.uri', '=', sql.val(resourceUri)))
        .innerJoin('settings as s', (join) => join.on('s.name', '=', sql.val(REVISION_SETTING)))
        .selectAll('c')
        .select([
          'r.permissions as resource_permissions',
          'r.signing_alg as resource_signing_alg',
          'r.client_id as resource_client_id',
          's.value as revision',
        ])
        .where('c.id', '=', id)
        .executeTakeFirst()
      return (
        row && { client: toClient(row), resource: toTarget(row, resourceUri), revision: Number(row.revision) }
      )
    },
    async countRegistered() {
      const { total } = await db
        .selectFrom('clients')
        .select((select) => select.fn.countAll<number>().as('total'))
        .where('registration_token_hash', 'is not', null)
        .executeTakeFirstOrThrow()
      return Number(total)
    },
    async list({ name, email, tags = [], deleted = false, active, clientType, agentType, offset, limit }) {
      let matching = db.selectFrom('clients').where('deleted_at', deleted ? 'is not' : 'is', null)
      if (name !== undefined) matching = matching.where(contains(sql.ref('name'), name))
      if (email !== undefined) matching = matching.where(contains(sql.ref('email'), email))
      for (const tag of tags) matching = matching.where(contains(sql.ref('tags'), JSON.stringify(tag)))
      if (active !== undefined) matching = matching.where('active', '=', active ? 1 : 0)
      if (clientType !== undefined) matching = matching.where('client_type', '=', clientType)
      if (agentType !== undefined) matching = matching.where('agent_type', '=', agentType)

      const { total } = await matching
        .select((select) => select.fn.countAll<number>().as('total'))
        .executeTakeFirstOrThrow()
      const rows = await matching
        .selectAll()
        .orderBy('created_at', 'desc')
        .orderBy('id')
        .offset(offset)
        .limit(limit)
        .execute()
      return { clients: rows.map(toClient), total: Number(total) }
    },
    async insert(client) {
      await db.insertInto('clients').values(toRow(client)).execute()
      await touch()
    },
    async update(client) {
      const { id, ...row } = toRow(client)
      await db.updateTable('clients').set(row).where('id', '=', id).execute()
      await touch()
    },
    async remove(id) {
      await db.deleteFrom('used_assertions').where('client_id', '=', id).execute()
      await db.updateTable('resources').set({ client_id: null }).where('client_id', '=', id).execute()
      await db.deleteFrom('clients').where('id', '=', id).execute()
      await touch()
    },
  }
}

function toClient(row: ClientRow): Client {
  return {
    id: row.id,
    name: row.name,
    email: row.email,
    clientType: row.client_type,
    agentType: orUndefined(row.agent_type),
    spiffeId: orUndefined(row.spiffe_id),
    platform: orUndefined(row.platform),
    selectors: JSON.parse(row.selectors),
    active: row.active === 1,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    scope: orUndefined(row.scope),
    registrationTokenHash: orUndefined(row.registration_token_hash),
    registration: orUndefined(row.registration),
    tags: readList(row.tags),
    hydraClientId: orUndefined(row.hydra_client_id),
    oidcEnabled: row.oidc_enabled === 1,
    deletedAt: orUndefined(row.deleted_at),
    ...toCredentials(row),
  }
}

function toRow(client: Client): ClientRow {
  return {
    id: client.id,
    name: client.name,
    email: client.email,
    client_type: client.clientType,
    agent_type: client.agentType ?? null,
    spiffe_id: client.spiffeId ?? null,
    platform: client.platform ?? null,
    selectors: JSON.stringify(client.selectors),
    active: client.active ? 1 : 0,
    created_at: client.createdAt,
    updated_at: client.updatedAt,
    auth_method: client.authMethod,
    secret_hash: client.secretHash ?? null,
    former_secret_hash: client.formerSecret?.hash ?? null,
    former_secret_expires_at: client.formerSecret?.expiresAt ?? null,
    jwks: client.jwks ?? null,
    grant_types: client.grantTypes === undefined ? null : JSON.stringify(client.grantTypes),
    scope: client.scope ?? null,
    registration_token_hash: client.registrationTokenHash ?? null,
    registration: client.registration ?? null,
    tags: JSON.stringify(client.tags ?? []),
    hydra_client_id: client.hydraClientId ?? null,
    oidc_enabled: client.oidcEnabled === true ? 1 : 0,
    deleted_at: client.deletedAt ?? null,
  }
}

// Both engines fold the letters of ASCII and leave all others alone, so that is what the pattern gets too.
function contains(column: Expression<unknown>, part: string): Expression<SqlBool> {
  const folded = escapeLike(part).replace(/[A-Z]/g, (letter) => letter.toLowerCase())
  return sql<SqlBool>`lower(${column}) like ${`%${folded}%`} escape '\\'`
}

function escapeLike(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&')
}
