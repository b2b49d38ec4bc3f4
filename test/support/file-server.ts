import { join } from 'node:path'
import { Kysely, sql } from 'kysely'
import { SERVER_ITSELF } from '../../src/authority/audit/log.js'
import { DEV_SEED } from '../../src/authority/seed.js'
import { applySeed } from '../../src/authority/seed-planting.js'
import { runServer, type Serving } from '../../src/server/run.js'
import { createStore } from '../../src/store/open.js'
import { openSqlite } from '../../src/store/sqlite.js'
import type { Store } from '../../src/store/store.js'
import { syncFile } from '../../src/store/write-ahead-log.js'
import { KEK } from './authority-bench.js'

/** A server over a file, on a disk that does what a test says. */
export interface FileServer extends Serving {
  store: Store
  /** The seeded agent. */
  clientId: string
  disk: {
    /** From now on nothing is brought to it. */
    isBroken: boolean
    /** It is full from now on, or has room again. */
    fill(isFull: boolean): Promise<void>
    /** So many bytes of a hundred are free from now on; resolves when the server knows. */
    leave(percent: number): Promise<void>
  }
}

/** Starts a server whose state lies in a directory. */
export async function serveFile(directory: string): Promise<FileServer> {
  const file = join(directory, 'authsec.db')
  let free = 100
  let onLook = () => {}
  const disk: FileServer['disk'] = {
    isBroken: false,
    async fill(isFull) {
      await sql`pragma max_page_count = ${sql.lit(isFull ? 1 : 1_000_000)}`.execute(db)
    },
    async leave(percent) {
      free = percent
      await new Promise<void>((resolve) => {
        onLook = resolve
      })
      await new Promise((resolve) => setImmediate(resolve))
    },
  }
  const readSpace = async () => {
    onLook()
    return { free, total: 100 }
  }
  const engine = openSqlite(file, async (descriptor) => {
    if (disk.isBroken) throw Object.assign(new Error('i/o error'), { code: 'EIO' })
    await syncFile(descriptor)
  })
  const store = await createStore(engine, file)
  // A second way to the same connection.
  const db = new Kysely<object>({ dialect: engine.dialect })
  const state = { store, name: file, kek: KEK, readSpace, announce() {}, close: () => store.close() }
  const plan = { state, mode: 'dev', host: '127.0.0.1', rateLimits: 'off' } as const
  const server = await runServer(plan, { port: 0 }, async ({ identity, clock, delegations, audit }) => {
    const seeded = await applySeed({ store, audit }, DEV_SEED, identity.tenantId, clock())
    const [first] = seeded.delegations
    if (first === undefined) throw new Error('the seed has no delegation')
    await delegations.grant(first, first.user, SERVER_ITSELF)
    return first.clientId
  })
  return { ...server, store, disk, clientId: server.prepared }
}
