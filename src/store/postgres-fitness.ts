import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { PostgresOptions, PostgresTarget } from './postgres-url.js'
import { createStoreFailure } from './unavailable.js'

/** The oldest version that is known to do. */
const MIN_VERSION = 14

/** What is needed of a connection. */
interface Connection {
  query<R extends object>(statement: string): Promise<{ rows: R[] }>
}

/**
 * Throws `configuration` for a database that could not keep what it is given, and `temporarily_unavailable` for one that
 * takes nothing now: a standby may be about to take over.
 */
export async function assertFit(
  client: Connection,
  target: PostgresTarget,
  { requireSyncStandby = false }: PostgresOptions,
): Promise<void> {
  const { rows } = await client.query<Session>(`
    select current_setting('server_version_num')::integer as version,
      current_setting('server_encoding') as encoding,
      current_setting('fsync') as fsync,
      current_setting('full_page_writes') as full_page_writes,
      current_setting('transaction_read_only') as read_only,
      current_setting('synchronous_standby_names') as standbys,
      current_schema() as schema`)
  const [session] = rows
  if (session === undefined) throw new Error('a session without settings')
  const { version, encoding, fsync, full_page_writes, read_only, standbys, schema } = session
  const refuse = (clause: string, hint: string) =>
    new AuthsecError('configuration', `${target.name} ${clause}`, { hint })

  if (version < MIN_VERSION * 10_000) {
    throw refuse(`has version ${Math.floor(version / 10_000)}`, `Use PostgreSQL ${MIN_VERSION} or later.`)
  }
  if (encoding !== 'UTF8') {
    throw refuse(`keeps text as ${quote(encoding)}`, 'Use a database that was created with encoding UTF8.')
  }
  if (fsync !== 'on' || full_page_writes !== 'on') {
    throw refuse('may lose what it has committed', 'Set fsync and full_page_writes to on.')
  }
  if (read_only === 'on') {
    throw createStoreFailure(`${target.name} takes no writes`, {
      hint: 'It is a standby, or set to read only: name the primary, or wait until it takes over.',
    })
  }
  if (requireSyncStandby && standbys === '') {
    throw refuse(
      'waits for no standby',
      'Name one in synchronous_standby_names: otherwise a failover may lose what was committed.',
    )
  }
  if (schema === null) {
    throw refuse(
      `has no schema ${target.schema === undefined ? 'for this user' : quote(target.schema)}`,
      'Create the schema, or name another one with ?schema=NAME.',
    )
  }
  if (target.schema !== undefined && schema !== target.schema) {
    throw refuse(
      `works in the schema ${quote(schema)}, and not in ${quote(target.schema)}`,
      'A pooler stands before it that drops the settings of a connection: name the database itself.',
    )
  }
}

interface Session {
  version: number
  encoding: string
  fsync: string
  full_page_writes: string
  read_only: string
  standbys: string
  schema: string | null
}
