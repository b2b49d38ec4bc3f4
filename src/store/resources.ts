import type { Kysely } from 'kysely'
import { orUndefined, readList } from './columns.js'
import type { Schema } from './schema.js'

/** With which key the call tokens for a resource are signed (RFC 7518 §3.1, RFC 8037). */
export type CallAlgorithm = 'ES256' | 'RS256' | 'EdDSA'

export interface Resource {
  /** An absolute URI without fragment, compared byte for byte. */
  uri: string
  permissions: readonly string[]
  /** The client that runs it. */
  clientId?: string | undefined
  signingAlg: CallAlgorithm
  createdAt: number
}
export interface ResourceQueries {
  find(uri: string): Promise<Resource | undefined>
  list(): Promise<Resource[]>
}
export interface ResourceChanges extends ResourceQueries {
  insert(resource: Resource): Promise<void>
  remove(uri: string): Promise<void>
}

/** The columns of a resource that is joined to something else; null where there is none. */
export interface TargetColumns {
  resource_permissions: string | null
  resource_signing_alg: string | null
  resource_client_id: string | null
}

/** Reads a joined resource; undefined where none is registered under the URI. */
export function toTarget(
  row: TargetColumns,
  uri: string,
): Pick<Resource, 'uri' | 'permissions' | 'signingAlg' | 'clientId'> | undefined {
  if (row.resource_permissions === null) return undefined
  return {
    uri,
    permissions: readList(row.resource_permissions),
    signingAlg: row.resource_signing_alg as CallAlgorithm,
    clientId: orUndefined(row.resource_client_id),
  }
}

export function createResources(db: Kysely<Schema>, touch: () => Promise<void>): ResourceChanges {
  return {
    async find(uri) {
      const row = await db.selectFrom('resources').selectAll().where('uri', '=', uri).executeTakeFirst()
      return row && toResource(row)
    },
    async list() {
      const rows = await db.selectFrom('resources').selectAll().orderBy('uri').execute()
      return rows.map(toResource)
    },
    async insert({ uri, permissions, clientId, signingAlg, createdAt }) {
      await db
        .insertInto('resources')
        .values({
          uri,
          permissions: JSON.stringify(permissions),
          client_id: clientId ?? null,
          signing_alg: signingAlg,
          created_at: createdAt,
        })
        .execute()
      await touch()
    },
    async remove(uri) {
      await db.deleteFrom('resources').where('uri', '=', uri).execute()
      await touch()
    },
  }
}

function toResource(row: Schema['resources']): Resource {
  return {
    uri: row.uri,
    permissions: readList(row.permissions),
    clientId: orUndefined(row.client_id),
    signingAlg: row.signing_alg as CallAlgorithm,
    createdAt: row.created_at,
  }
}
