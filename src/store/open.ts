import { Kysely } from 'kysely'
import type { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { createAgentActions } from './agent-actions.js'
import { createApprovals } from './approvals.js'
import { createAssertions } from './assertions.js'
import { appendRecords, createAuditQueries, erasePersonal, pruneRecords } from './audit.js'
import { growAuditIndex, renewAuditIndex, renewAuditTerms } from './audit-terms.js'
import { createAuditTree } from './audit-tree.js'
import { createClients } from './clients.js'
import type { DatabaseTime } from './database-time.js'
import { createDelegations } from './delegations.js'
import type { Engine } from './engine.js'
import { createExternalServices } from './external-services.js'
import { createGroupCommit } from './group-commit.js'
import { createGuesses } from './guesses.js'
import { createKeys } from './keys.js'
import { createLeases } from './leases.js'
import { assertReadable, migrate } from './migrate.js'
import { compileOpening, readOpening } from './opening.js'
import { createPasswords } from './passwords.js'
import { createPolicies } from './policies.js'
import { isPostgresUrl, type PostgresOptions } from './postgres-url.js'
import { createReplicas } from './replicas.js'
import { createResources } from './resources.js'
import { createRevision, type RevisionChanges } from './revision.js'
import { createRevocations } from './revocations.js'
import type { Schema } from './schema.js'
import { createSessions } from './sessions.js'
import { createSettings } from './settings.js'
import { keepStandings } from './standing-cache.js'
import { copyTables, type Refill, refillTables } from './state-copy.js'
import type { AuditRecord, Store, Transaction } from './store.js'
import { createTrustRules } from './trust-rules.js'
import { createUsers } from './users.js'
import { createUses } from './uses.js'

/** How a store is opened. */
export interface StoreOptions extends PostgresOptions {
  /** Thrown where there is nothing in it yet, and nothing is made then; default: its tables are. */
  ifEmpty?: AuthsecError | undefined
}

/**
 * Opens a store and brings its schema up to date: a SQLite file, `:memory:`, or `postgres://…` (`postgres-url.ts`
 * says what can stand there), which any number of processes may have open.
 *
 * Throws `state_locked` when another process has the file open, `state_newer` when a newer version has written it and
 * `state_unreadable` when it is not ours; nothing is changed in any of these cases. Also `temporarily_unavailable` when
 * the disk is full or fails or the database cannot be reached now, and `configuration` when it can never be reached
 * that way.
 */
export async function openStore(location: string, options: StoreOptions = {}): Promise<Store> {
  if (isPostgresUrl(location)) {
    const { openPostgres } = await import('./postgres.js')
    const engine = openPostgres(location, options)
    return createStore(engine, engine.name, options)
  }
  const { openSqlite } = await import('./sqlite.js')
  return createStore(openSqlite(location), quote(location, 200), options)
}

/** A store over an engine that is open, which it closes. Throws as `openStore` does, with `name` as it is. */
export async function createStore(
  engine: Engine,
  name: string,
  { ifEmpty }: Pick<StoreOptions, 'ifEmpty'> = {},
): Promise<Store> {
  const db = new Kysely<Schema>({ dialect: engine.dialect })
  try {
    await assertReadable(db, engine, name, ifEmpty)
    engine.makeDurable()
    await migrate(db, engine, name)
    await engine.flush()
  } catch (error) {
    await db.destroy()
    throw error
  }

  const revision = createRevision(db, engine)
  const touch = () => Promise.reject(new TypeError('changes need a transaction'))
  const queries = createTables(db, { read: revision.read, touch }, engine.now)
  const standings = keepStandings(queries.delegations.findStanding, revision.read)
  const clientStandings = keepStandings(queries.clients.findStanding, revision.read)
  const opening = compileOpening(db)
  engine.foresee(opening.sql)

  function forget(): void {
    revision.forget()
    standings.forget()
    clientStandings.forget()
  }

  const commits = createGroupCommit<Transaction>({
    transact: (works) =>
      db.transaction().execute(async (trx) => {
        const { revision: begun, head } = await readOpening(trx, opening)
        const log: LogChanges = { records: [], isPruned: false }
        await works(createTransaction(trx, revision.within(trx, begun), engine, log))
        // A log that is pruned to nothing begins anew.
        const last = log.isPruned ? (await readOpening(trx, opening)).head : head
        if (log.records.length > 0) await appendRecords(engine.insert, trx, log.records, last)
      }),
    flush: engine.flush,
    recover() {
      if (engine.recover()) forget()
    },
  })

  return {
    ...queries,
    clients: { ...queries.clients, findStanding: clientStandings.find },
    delegations: { ...queries.delegations, findStanding: standings.find },
    audit: readDurably(createAuditQueries(db), commits.settled),
    auditTree: readDurably(queries.auditTree, commits.settled),
    isAlone: engine.isAlone,
    write: (work) => commits.write(work),
    async copy(tables, take) {
      await copyTables(db, tables, take)
      await commits.settled()
    },
    async rebuild(work) {
      const value = await db.transaction().execute(async (trx) => {
        const log: LogChanges = { records: [], isPruned: false }
        const refill: Refill = (schema, rows) => refillTables(trx, engine, schema, rows)
        const done = await work(createTransaction(trx, revision.within(trx), engine, log), refill)
        // The log of another state may have taken the place of this one.
        await appendRecords(engine.insert, trx, log.records, (await readOpening(trx, opening)).head)
        return done
      })
      await engine.flush()
      forget()
      return value
    },
    async purge() {
      await commits.settled()
      engine.purge?.()
    },
    async close() {
      await commits.drain()
      await db.destroy()
    },
  }
}

/** The log as it will be after a power cut too: what is read of it leaves only when it is durable. */
function readDurably<Q extends object>(queries: Q, settled: () => Promise<void>): Q {
  const durable = Object.entries(queries).map(([name, read]) => [
    name,
    async (...query: unknown[]) => {
      const found = await read(...query)
      await settled()
      return found
    },
  ])
  return Object.fromEntries(durable)
}

/** Everything but the log, as it can be asked and, inside of a transaction, changed. */
function createTables(
  db: Kysely<Schema>,
  { read: revision, touch }: RevisionChanges,
  now: DatabaseTime,
): Omit<Transaction, 'audit'> {
  return {
    settings: createSettings(db),
    users: createUsers(db, touch),
    clients: createClients(db, touch),
    resources: createResources(db, touch),
    trustRules: createTrustRules(db, touch),
    policies: createPolicies(db, touch),
    delegations: createDelegations(db, touch, revision),
    keys: createKeys(db, touch),
    assertions: createAssertions(db),
    revocations: createRevocations(db),
    sessions: createSessions(db, now),
    passwords: createPasswords(db),
    approvals: createApprovals(db),
    uses: createUses(db),
    guesses: createGuesses(db),
    leases: createLeases(db, now),
    replicas: createReplicas(db, now),
    externalServices: createExternalServices(db),
    agentActions: createAgentActions(db),
    auditTree: createAuditTree(db),
  }
}

/** What a transaction does to the log. */
interface LogChanges {
  /** Appended at its end. */
  records: AuditRecord[]
  /** Whether records may be gone. */
  isPruned: boolean
}

function createTransaction(
  trx: Kysely<Schema>,
  revision: RevisionChanges,
  engine: Engine,
  log: LogChanges,
): Transaction {
  return {
    ...createTables(trx, revision, engine.now),
    audit: {
      ...createAuditQueries(trx),
      append: (record) => void log.records.push(record),
      index: (end) => growAuditIndex(trx, end),
      async prune(below) {
        log.isPruned = true
        await pruneRecords(trx, below)
      },
      erasePersonal: (beforeId) => erasePersonal(trx, beforeId),
      reindex: (after) => renewAuditTerms(trx, after),
      renewIndex: (name) => renewAuditIndex(trx, name, engine.adaptStatement),
    },
  }
}
