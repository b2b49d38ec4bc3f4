import { AuthsecError } from '../core/errors.js'
import type { Queries, Store, Transaction } from '../store/store.js'
import type { KeyPeers } from './key-steps.js'
import type { Keyring } from './keys.js'

/** This server among those that have the same store open. */
export interface Replica extends KeyPeers {
  /**
   * Throws `temporarily_unavailable` where the others may take this server for gone, as after a pause: keys may have
   * been replaced meanwhile, so it serves none until it has caught up.
   */
  assertCurrent(): void
  /** Whether the others take this server for alive, as it has to assume. */
  isCurrent(): boolean
  /** Tells the others which keys this server serves now, once it has joined them; it is tried again where that fails. */
  acknowledge(): Promise<void>
  /** Counts as alive from now on, and stays up to date with the keys until it leaves. */
  join(keyring: ServedKeys): Promise<void>
  /** Lets the others go on at once, without waiting for the lease to end. */
  leave(): Promise<void>
}

/** The keys that a server has loaded. */
export type ServedKeys = Pick<Keyring, 'revision' | 'refresh'>

export interface ReplicaOptions {
  store: Store
  bootId: string
  /** Throws where this server cannot be one of those of the store: asked each time before it counts as alive. */
  admit: (transaction: Transaction) => Promise<void>
  /** Told why this server cannot go on with the others, once for each reason. */
  onFailure?: ((error: unknown) => void) | undefined
  timings?: ReplicaTimings | undefined
  /** Default: the clocks of this machine. */
  readTime?: (() => Moment) | undefined
}

/** A moment by both clocks, in milliseconds: the steady one misses the sleep of a machine, the other one may be set. */
export interface Moment {
  wall: number
  steady: number
}

/** How servers of one store notice each other. */
export interface ReplicaTimings {
  /** How long a silent server counts as alive, in seconds; default 30, more than 5. */
  leaseSeconds?: number | undefined
}

export const DEFAULT_LEASE_SECONDS = 30

/** For a command that works on a state for a moment: where it is killed, the next one need not wait long. */
export const BRIEF_LEASE: ReplicaTimings = { leaseSeconds: 8 }

/** The lease of the server that changes keys by itself. */
const LEADER = 'keys'
/** How much earlier than the others a server itself takes its lease for ended, in milliseconds. */
const MARGIN_MS = 5_000
/** How often a server looks whether keys have changed, in milliseconds: a taint reaches everybody within a second. */
const LOOK_MS = 250
/** How often a lease is renewed within its time. */
const RENEWALS = 6

/** Throws `conflict` where a server has the store open, besides the run `bootId`. */
export async function assertNoServer(
  { replicas }: Pick<Queries, 'replicas'>,
  { isAlone }: Pick<Store, 'isAlone'>,
  bootId?: string,
): Promise<void> {
  const others = isAlone ? [] : (await replicas.listLive()).filter((replica) => replica.bootId !== bootId)
  if (others.length === 0) return
  throw new AuthsecError('conflict', 'a server runs on this state', {
    hint: 'Stop every server of it first; one that was killed counts as running until its lease ends.',
  })
}

export function createReplica(options: ReplicaOptions): Replica {
  const { store, bootId, admit, onFailure = () => {}, timings = {}, readTime = readClocks } = options
  const leaseMs = (timings.leaseSeconds ?? DEFAULT_LEASE_SECONDS) * 1000
  if (leaseMs <= MARGIN_MS) {
    throw new AuthsecError('configuration', `a lease of ${leaseMs / 1000} seconds is too short`, {
      hint: `A server stops ${MARGIN_MS / 1000} s before its lease ends: take at least ${MARGIN_MS / 1000 + 3} s (--lease).`,
    })
  }
  // The moment after which nothing is served.
  let until = NEVER
  let renewedAt = NEVER
  /** The revision of the keys that the others take this server to serve. */
  let noted: number | undefined
  let timer: NodeJS.Timeout | undefined
  let looking: Promise<void> = Promise.resolve()
  let acknowledging: Promise<unknown> = Promise.resolve()
  /** What is served, from the moment on in which this server counts as alive. */
  let joined: ServedKeys | undefined
  let hasLeft = false
  let told: string | undefined

  function isPast(): boolean {
    const { wall, steady } = readTime()
    return wall > until.wall || steady > until.steady
  }

  /** Notes what is served, unless the keys have changed meanwhile. */
  async function renew(keyring: ServedKeys): Promise<boolean> {
    const start = readTime()
    const { revision } = keyring
    const isNoted = await store.write(async (transaction) => {
      const { keys, replicas } = transaction
      // While this server counted as gone, somebody may have exchanged the state, its key or its timings.
      await admit(transaction)
      if ((await keys.revision()) !== revision) return false
      await replicas.renew({ bootId, keyRevision: revision, leaseMs })
      return true
    })
    if (!isNoted) return false
    noted = revision
    renewedAt = start
    until = { wall: start.wall + leaseMs - MARGIN_MS, steady: start.steady + leaseMs - MARGIN_MS }
    return true
  }

  function isUpToDate({ revision }: ServedKeys): boolean {
    const isDue = readTime().steady - renewedAt.steady >= leaseMs / RENEWALS
    return revision === noted && !isDue && !isPast()
  }

  async function catchUp(keyring: ServedKeys): Promise<void> {
    if ((await store.keys.revision()) !== keyring.revision) await keyring.refresh()
    if (isUpToDate(keyring)) return
    // Once is enough, however long it takes: whoever waits for the same lock has to have a turn.
    while (!hasLeft && !(await renew(keyring))) await keyring.refresh()
  }

  function lookAgain(keyring: ServedKeys): void {
    timer = setTimeout(() => {
      looking = catchUp(keyring)
        .then(() => {
          told = undefined
        })
        .catch(giveUp)
        .finally(() => {
          if (!hasLeft) lookAgain(keyring)
        })
    }, LOOK_MS).unref()
  }

  function giveUp(error: unknown): void {
    // A store that is away is found again by looking again; what must not be done meanwhile, the deadline stops.
    if (AuthsecError.is(error, 'temporarily_unavailable')) return
    until = NEVER
    if (String(error) === told) return
    told = String(error)
    onFailure(error)
  }

  return {
    isCurrent: () => !isPast(),

    assertCurrent() {
      if (!isPast()) return
      throw new AuthsecError('temporarily_unavailable', 'this server has lost touch with the others', {
        hint: 'Try again: it serves keys again as soon as it has caught up.',
      })
    },

    async acknowledge() {
      if (joined === undefined || hasLeft || joined.revision === noted) return
      acknowledging = renew(joined).catch(giveUp)
      await acknowledging
    },

    async join(keyring) {
      while (!(await renew(keyring))) await keyring.refresh()
      joined = keyring
      lookAgain(keyring)
    },

    async leave() {
      hasLeft = true
      clearTimeout(timer)
      await Promise.all([looking, acknowledging])
      until = NEVER
      await store.write(async ({ leases, replicas }) => {
        await replicas.remove(bootId)
        await leases.release(LEADER, bootId)
      })
    },

    async servedSince(keyRevision, now) {
      const live = await store.replicas.listLive()
      if (live.length === 0) return now
      if (live.some((replica) => replica.keyRevision < keyRevision)) return undefined
      return now - Math.min(...live.map(({ servedMs }) => servedMs))
    },

    async leads() {
      if (isPast()) return false
      return (await store.write(({ leases }) => leases.acquire(LEADER, bootId, leaseMs))) !== undefined
    },
  }
}

const NEVER: Moment = { wall: Number.NEGATIVE_INFINITY, steady: Number.NEGATIVE_INFINITY }

/** The clocks of this machine. */
export function readClocks(): Moment {
  return { wall: Date.now(), steady: performance.now() }
}
