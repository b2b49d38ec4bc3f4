import { PostgresDialect, type PostgresPool, type PostgresPoolClient, sql } from 'kysely'
import pg from 'pg'
import { bindValues } from './bound-values.js'
import type { Engine } from './engine.js'
import { insertByJson } from './insert.js'
import {
  createUnavailable,
  explainPostgresFailure,
  isConnectionLost,
  refuseConnection,
} from './postgres-failures.js'
import { assertFit } from './postgres-fitness.js'
import { type PostgresOptions, type PostgresTarget, parsePostgresUrl } from './postgres-url.js'

/** How much later than the server the driver gives up on a statement: only when nobody answers at all. */
const GRACE_MS = 2_000

const NOTHING = { command: '', rowCount: 0, rows: [] } as unknown as pg.QueryResult
const INT8 = 20
const BYTEA = 17

/**
 * Prepares PostgreSQL through `pg`: a pool of connections, made when they are needed, so that a database that was
 * away is found again without a restart.
 *
 * Transactions take turns, those of other processes too: each begins by waiting for a lock that ends with it. That
 * makes PostgreSQL the single writer that SQLite is, and everything follows from it: the log is numbered without a
 * gap, a revision that was read in a transaction still stands when it commits, nothing deadlocks, and of several
 * replicas that start at once one migrates. What it costs is shared by all that wait for the same commit.
 *
 * Throws `configuration` when the address cannot be understood.
 */
export function openPostgres(url: string, options: PostgresOptions = {}): Engine & { name: string } {
  const target = parsePostgresUrl(url)
  const beginning: Beginning = { text: writeBeginning(target), question: undefined }
  return {
    name: target.name,
    alternative: 'name another database in --store, or a schema of its own with ?schema=NAME',
    dialect: new PostgresDialect({ pool: createPool(target, options, beginning) }),
    makeDurable() {
      // Each transaction sees to that by itself, and is durable when its commit is answered.
    },
    async flush() {},
    recover: () => false,
    foresee(question) {
      beginning.question = question
    },
    insert: insertByJson,
    isAlone: false,
    now: sql<number>`(extract(epoch from clock_timestamp()) * 1000)::bigint`,
    adaptStatement,
    async listTables(db) {
      const { rows } = await sql<{ name: string }>`
        select tablename as name from pg_catalog.pg_tables where schemaname = current_schema()`.execute(db)
      return rows.map(({ name }) => name)
    },
  }
}

/** What begins a transaction, and the question that is asked along with it. */
interface Beginning {
  readonly text: string
  question: string | undefined
}

function createPool(target: PostgresTarget, options: PostgresOptions, beginning: Beginning): PostgresPool {
  const pool = new pg.Pool({
    host: target.host,
    port: target.port,
    database: target.database,
    user: target.user,
    password: target.password,
    ssl: target.tls,
    max: target.poolSize,
    connectionTimeoutMillis: target.connectTimeoutMs,
    query_timeout: target.statementTimeoutMs + GRACE_MS,
    keepAlive: true,
    application_name: target.applicationName,
    options: [
      `-c statement_timeout=${target.statementTimeoutMs}`,
      ...(target.schema === undefined ? [] : [`-c search_path=${target.schema}`]),
    ].join(' '),
    types: { getTypeParser: findParser as typeof pg.types.getTypeParser },
  })
  // An idle connection that breaks is replaced when one is needed; unheard, its error would end the process.
  pool.on('error', () => {})

  const checked = new WeakSet<pg.PoolClient>()
  // What is wrong with the address shows at the first connection; what fails later may be right again soon.
  let isFirst = true

  return {
    async connect() {
      const client = await pool.connect().catch((error) => {
        throw refuseConnection(error, target, isFirst)
      })
      try {
        if (!checked.has(client)) await assertFit(client, target, options)
      } catch (error) {
        client.release(true)
        throw refuseConnection(error, target, isFirst)
      }
      checked.add(client)
      isFirst = false
      return wrapClient(client, beginning)
    },
    end: () => pool.end(),
  }
}

/**
 * What begins a transaction, in one message and two statements. The lock is of this schema alone, and a process that
 * stops in the middle loses it by the timeout, while those who began to wait for it then still have as long again. It
 * needs a statement before every question: that sees what the former writer has committed, at this isolation alone,
 * whatever is set for the user.
 */
function writeBeginning({ statementTimeoutMs }: PostgresTarget): string {
  const settings = [
    // Whoever waits for a turn may wait as long as a statement may take.
    `set_config('lock_timeout', '0', true)`,
    `set_config('synchronous_commit', 'on', true)`,
    `set_config('idle_in_transaction_session_timeout', '${Math.floor(statementTimeoutMs / 2)}', true)`,
  ]
  const lock = `pg_advisory_xact_lock(hashtextextended('authsec ' || current_schema(), 0))`
  return `begin isolation level read committed; select ${settings.join(', ')}, ${lock}`
}

function wrapClient(client: pg.PoolClient, beginning: Beginning): PostgresPoolClient {
  let isBroken = false
  /** The answer to the question that was asked along with the beginning, until it is asked for. */
  let answer: pg.QueryResult | undefined
  // Between two statements nobody else listens, and an error that nobody hears ends the process.
  const onError = () => {
    isBroken = true
  }
  client.on('error', onError)

  async function ask(text: string, parameters: readonly unknown[] = []): Promise<pg.QueryResult> {
    const values = bindValues(parameters)
    try {
      return await client.query(text, values)
    } catch (error) {
      isBroken ||= isConnectionLost(error)
      throw explainPostgresFailure(error)
    }
  }

  async function begin(): Promise<pg.QueryResult> {
    const { text, question } = beginning
    try {
      // Several statements in one message have several results.
      const results: unknown = await ask(question === undefined ? text : `${text}; ${question}`)
      if (question !== undefined && Array.isArray(results)) answer = results.at(-1)
      return NOTHING
    } catch (error) {
      // Whatever of it has failed, the connection may be in the middle of a transaction.
      isBroken = true
      throw error
    }
  }

  async function commit(): Promise<pg.QueryResult> {
    let warning: unknown
    // So the server says that somebody has cancelled the wait for the standby: nobody knows whether it is there.
    const onNotice = (notice: { severity?: string | undefined }) => {
      if (notice.severity === 'WARNING') warning = notice
    }
    client.on('notice', onNotice)
    const result = await ask('commit').finally(() => client.removeListener('notice', onNotice))
    if (warning !== undefined) throw createUnavailable(warning)
    // So, and without an error, the server answers when something had failed that was then passed over.
    if (result.command !== 'COMMIT') throw new Error('a failure was passed over, and all of it undone')
    return result
  }

  // Its own failure would hide why it was needed, and the server undoes what a lost connection leaves behind.
  async function rollback(): Promise<pg.QueryResult> {
    if (!isBroken) await ask('rollback').catch(onError)
    return NOTHING
  }

  async function query(text: string, parameters: readonly unknown[]): Promise<pg.QueryResult> {
    const known = answer
    answer = undefined
    if (known !== undefined && text === beginning.question) return known
    if (text === 'begin') return begin()
    if (text === 'commit') return commit()
    if (text === 'rollback') return rollback()
    return ask(text, parameters)
  }

  return {
    // The driver reads rows whole, so that nobody comes with a cursor.
    query: query as unknown as PostgresPoolClient['query'],
    release() {
      client.removeListener('error', onError)
      client.release(isBroken)
    },
  }
}

function findParser(oid: number, format?: 'text' | 'binary'): (text: string) => unknown {
  // Every number that is stored is a safe integer, and a copy of the bytes keeps nothing else in memory.
  if (oid === INT8) return Number
  const parse = pg.types.getTypeParser(oid, format)
  return oid === BYTEA ? (text) => new Uint8Array(parse(text)) : parse
}

const OTHER_WORDS: readonly (readonly [RegExp, string])[] = [
  // Compared, sorted and folded byte by byte, as SQLite does, whatever language the database speaks.
  [/\btext\b/g, 'text collate "C"'],
  [/\bblob\b/g, 'bytea'],
  // An ordered index takes no long text; these are only ever asked for equality.
  [
    /^create index (clients_name|audit_(?:events|terms)_\w+) on (\w+) \((\w+)\b.*\)$/,
    'create index $1 on $2 using hash ($3)',
  ],
  [/ settings \(name (.+?) primary key,/, ' settings (name $1 not null, exclude using hash (name with =),'],
]

function adaptStatement(statement: string): string {
  return OTHER_WORDS.reduce((text, [words, others]) => text.replace(words, others), statement)
}
