import type { Kysely } from 'kysely'
import { orUndefined } from './columns.js'
import type { DatabaseTime } from './database-time.js'
import type { Schema, SessionRow } from './schema.js'

/** A session that is alive: one that has ended has no row. */
export interface StoredSession {
  /** The `jti` of its token; of the activation page's own sessions the hash of their handle. */
  id: string
  kind: SessionKind
  userId: string
  /** The client that holds it, when it is not the person's own. */
  clientId?: string | undefined
  /** The most that it may do; undefined means everything that its user may do. */
  permissions?: readonly string[] | undefined
  /** The run of the server with which it ends; undefined means that it survives a restart. */
  bootId?: string | undefined
  createdAt: number
  expiresAt: number
}

/** How a session came about. `page` is the activation page's own and is no token. */
export type SessionKind = 'boot' | 'password' | 'device' | 'ciba' | 'page'

export interface SessionQueries {
  find(id: string): Promise<StoredSession | undefined>
  /** The sessions of a user that clients hold and that are alive at `now`, the newest first. */
  listHeld(userId: string, now: number): Promise<StoredSession[]>
}
export interface SessionChanges extends SessionQueries {
  /** Keeps a session, and forgets those that have expired since. */
  insert(session: StoredSession): Promise<void>
  /** Ends a session, if there is one. */
  remove(id: string): Promise<void>
  /** Ends every session that a user has logged in to or let a client have, except this one. */
  removeByUser(userId: string, kept: string): Promise<void>
  /** Ends the sessions that are bound to a run other than this one and those of the other servers that are alive. */
  removeForeignBoots(bootId: string): Promise<void>
}

export function createSessions(db: Kysely<Schema>, now: DatabaseTime): SessionChanges {
  return {
    async find(id) {
      const row = await db.selectFrom('sessions').selectAll().where('id', '=', id).executeTakeFirst()
      return row && toSession(row)
    },
    async listHeld(userId, now) {
      const rows = await db
        .selectFrom('sessions')
        .selectAll()
        .where('user_id', '=', userId)
        .where('client_id', 'is not', null)
        .where('expires_at', '>', now)
        .orderBy('created_at', 'desc')
        .orderBy('id')
        .execute()
      return rows.map(toSession)
    },
    async insert(session) {
      await db.deleteFrom('sessions').where('expires_at', '<=', session.createdAt).execute()
      await db.insertInto('sessions').values(toRow(session)).execute()
    },
    async remove(id) {
      await db.deleteFrom('sessions').where('id', '=', id).execute()
    },
    async removeByUser(userId, kept) {
      await db
        .deleteFrom('sessions')
        .where('user_id', '=', userId)
        .where('id', '!=', kept)
        .where('kind', '!=', 'boot')
        .execute()
    },
    async removeForeignBoots(bootId) {
      const live = db.selectFrom('replicas').select('boot_id').where('lease_until', '>', now)
      await db
        .deleteFrom('sessions')
        .where('boot_id', '!=', bootId)
        .where('boot_id', 'not in', live)
        .execute()
    },
  }
}

function toSession(row: SessionRow): StoredSession {
  return {
    id: row.id,
    kind: row.kind as SessionKind,
    userId: row.user_id,
    clientId: orUndefined(row.client_id),
    permissions: row.permissions === null ? undefined : JSON.parse(row.permissions),
    bootId: orUndefined(row.boot_id),
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  }
}

function toRow(session: StoredSession): SessionRow {
  return {
    id: session.id,
    kind: session.kind,
    user_id: session.userId,
    client_id: session.clientId ?? null,
    permissions: session.permissions === undefined ? null : JSON.stringify(session.permissions),
    boot_id: session.bootId ?? null,
    created_at: session.createdAt,
    expires_at: session.expiresAt,
  }
}
