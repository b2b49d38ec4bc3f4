import { AuthsecError } from '../core/errors.js'
import { shareNext } from '../store/share-next.js'
import type { Store } from '../store/store.js'
import type { Sealing } from './audit/sealing.js'
import type { Keyring } from './keys.js'
import type { Replica } from './replica.js'
import type { Room } from './room.js'

/**
 * What a server needs in order to answer: what it keeps can be written, its keys are loaded, the others know of it, and
 * its log is signed.
 */
export type ReadinessCheck = 'store' | 'keys' | 'lease' | 'log'

/** What is missing, in words that give nothing away; undefined where nothing is. */
export type ReadinessReport = Readonly<Record<ReadinessCheck, string | undefined>>

/** Whether this server can do its work now. */
export interface Readiness {
  /** Never rejects. */
  check(): Promise<ReadinessReport>
}

export interface ReadinessOptions {
  store: Pick<Store, 'write'>
  keyring: Pick<Keyring, 'active'>
  /** Undefined where nobody else has the store open. */
  replica: Pick<Replica, 'assertCurrent'> | undefined
  /** Default: always enough. */
  room?: Pick<Room, 'assertEnough'> | undefined
  sealing: Pick<Sealing, 'assertTimely'>
  bootId: string
  /** Milliseconds of a clock that is never set. Default: this machine's. */
  readTime?: () => number
}

/** A row that whoever asks may write, and nobody keeps. */
const PROBE = 'readiness'
/**
 * For so long a store that could be written is taken to be so still: everybody may ask, and each answer costs a commit.
 */
const TRUST_MS = 1_000
/** The log is signed every second. */
const SIGNED_WITHIN_MS = 10_000

export function createReadiness({
  store,
  keyring,
  replica,
  room,
  sealing,
  bootId,
  readTime = () => performance.now(),
}: ReadinessOptions): Readiness {
  let writtenAt = Number.NEGATIVE_INFINITY

  // Reading would not do: on a full disk all that is there can still be read.
  const write = shareNext(async () => {
    await store.write(({ leases }) => leases.acquire(PROBE, bootId, 0))
    writtenAt = readTime()
  })

  return {
    async check() {
      const isTrusted = readTime() - writtenAt < TRUST_MS
      const shortage = await explain(() => room?.assertEnough())
      return {
        store: shortage ?? (isTrusted ? undefined : await explain(write)),
        keys: await explain(() => keyring.active),
        lease: await explain(() => replica?.assertCurrent()),
        log: await explain(() => sealing.assertTimely(SIGNED_WITHIN_MS)),
      }
    },
  }
}

async function explain(check: () => unknown): Promise<string | undefined> {
  try {
    await check()
    return undefined
  } catch (error) {
    return AuthsecError.is(error) ? error.message : 'failed'
  }
}
