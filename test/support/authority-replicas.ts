import { type Authority, openAuthority } from '../../src/authority/authority.js'
import type { KeyTimings } from '../../src/authority/key-sets.js'
import type { KeySource } from '../../src/authority/key-source.js'
import type { Moment, ReplicaTimings } from '../../src/authority/replica.js'
import { AuthsecError } from '../../src/core/errors.js'
import { runServer, type Serving } from '../../src/server/run.js'
import { openStore } from '../../src/store/open.js'
import type { Store } from '../../src/store/store.js'
import { ISSUER, KEK } from './authority-bench.js'
import { readServerKeys } from './server-keys.js'

/** One of several authorities on a database, as a server process has one. */
export interface AuthorityReplica {
  authority: Authority
  store: Store
  /** Leaves in order. */
  close(): Promise<void>
}

/** Opens an authority on a database. The time is that of the test. */
export async function openReplica(
  url: string,
  clock: () => number,
  keyTimings: KeyTimings = {},
  {
    kek = KEK,
    keySource,
    readTime,
    ...replicaTimings
  }: ReplicaTimings & { kek?: Uint8Array; keySource?: KeySource; readTime?: () => Moment } = {},
): Promise<AuthorityReplica> {
  const store = await openStore(`${url}&pool_size=3`)
  const source = keySource ?? (await readServerKeys())
  const options = { store, kek, issuer: ISSUER, clock, keyTimings, replicaTimings, keySource: source }
  const authority = await openAuthority({ ...options, readTime }).catch(async (error) => {
    await store.close()
    throw error
  })
  return {
    authority,
    store,
    async close() {
      await authority.close()
      await store.close()
    },
  }
}

/** The same as a server with a socket, whose issuer is its own URL unless the database knows another. */
export async function serveReplica(url: string, clock: () => number): Promise<AuthorityReplica & Serving> {
  const store = await openStore(`${url}&pool_size=3`)
  const state = { store, name: url, kek: KEK, announce() {}, close: () => store.close() }
  const keySource = await readServerKeys()
  const plan = { state, mode: 'dev', host: '127.0.0.1', rateLimits: 'off', keySource } as const
  return { ...(await runServer(plan, { port: 0, clock }, async () => undefined)), store }
}

/** Resolves once every replica serves the keys as they are now, and the one that leads has noted it. */
export async function untilServed(replicas: readonly AuthorityReplica[]): Promise<void> {
  const [first] = replicas
  if (first === undefined) return
  const revision = await first.store.keys.revision()
  const isServed = async () => {
    const live = await first.store.replicas.listLive()
    return live.length === replicas.length && live.every(({ keyRevision }) => keyRevision >= revision)
  }
  while (!(await isServed())) await new Promise((resolve) => setTimeout(resolve, 20))
  for (const replica of replicas) await lookAfter(replica)
}

// A server does it by itself too, and may have been faster: then there is something else to do, or nothing.
async function lookAfter({ authority }: Pick<AuthorityReplica, 'authority'>): Promise<void> {
  await authority.keys.upkeep().catch((error) => {
    if (!AuthsecError.is(error, 'temporarily_unavailable')) throw error
    return lookAfter({ authority })
  })
}
