import { formatDuration } from '../core/duration.js'
import { AuthsecError } from '../core/errors.js'
import { isJsonObject } from '../core/strict-json.js'
import type { Queries, Transaction } from '../store/store.js'
import {
  type CompleteKeyTimings,
  completeTimings,
  listPromises,
  type Promised,
  type Promises,
} from './key-sets.js'
import { findJsonSetting } from './state-settings.js'

/** What all servers of a store go by, in seconds: whichever of them is asked, and whichever changes the keys. */
export interface SharedTimings extends CompleteKeyTimings {
  /** How long a silent server counts as alive. */
  leaseSeconds: number
}

/** What is kept of them. */
interface KeptTimings {
  /** Absent where a version has served the state that did not keep them. */
  in_use?: Omit<SharedTimings, 'rotateSeconds'> & Partial<SharedTimings>
  /** What those before them have promised. */
  promises?: Promises
}

/** The setting that holds it, as JSON. */
export const TIMINGS_SETTING = 'timings'

/** The flag of each, by which whoever starts a server knows it. */
const FLAGS: readonly (readonly [name: keyof SharedTimings, flag: string])[] = [
  ['rotateSeconds', '--rotate-every'],
  ['publishSeconds', '--publish-ahead'],
  ['maxCallTtl', '--max-call-ttl'],
  ['skewSeconds', '--clock-skew'],
  ['leaseSeconds', '--lease'],
]

/**
 * Lets a server go by its timings: in the transaction in which it counts as alive from then on, so that of two that
 * start at once the second finds those of the first. Throws `configuration` where others are alive and go by other ones;
 * where nobody is, they take the place of those that are kept, and what those have promised is kept as long as somebody
 * may rely on it.
 */
export async function agreeTimings(
  transaction: Transaction,
  { bootId, timings, now }: { bootId: string; timings: SharedTimings; now: number },
): Promise<void> {
  const { keys, replicas, settings } = transaction
  const kept = await findTimings(transaction)
  const inUse = kept?.in_use
  const different = FLAGS.filter(([name]) => inUse?.[name] !== timings[name])
  if (different.length === 0) return
  const others = (await replicas.listLive()).filter((replica) => replica.bootId !== bootId)
  // What a former version has not kept is nobody's to object to.
  const list = different.flatMap(([name, flag]) => {
    const theirs = inUse?.[name]
    return theirs === undefined
      ? []
      : `${flag} ${formatDuration(timings[name])}, where they have ${formatDuration(theirs)}`
  })
  if (list.length > 0 && others.length > 0) {
    throw new AuthsecError('configuration', `other servers run on this state: ${list.join('; ')}`, {
      hint: 'Give this one the timings that they have, or stop all of them first. A command that is at work counts as a server, and one that was killed until its lease ends.',
    })
  }
  const promises = kept && listOutstanding(kept, timings, now)
  const value: KeptTimings = { in_use: pickShared(timings), ...(promises && { promises }) }
  const setting = { name: TIMINGS_SETTING, value: JSON.stringify(value) }
  if (kept === undefined) return settings.insert(setting)
  await settings.replace(setting)
  // What is planned under the former ones is planned anew, and whoever comes back from a pause looks at once.
  await keys.advance(await keys.revision())
}

/** What former timings have promised, and nobody knows yet to be over. */
export async function findPromises(queries: Pick<Queries, 'settings'>): Promise<Promises> {
  return (await findTimings(queries))?.promises ?? {}
}

/** What is promised beyond what the next timings promise themselves. */
function listOutstanding(
  { in_use, promises: older = {} }: KeptTimings,
  next: SharedTimings,
  now: number,
): Promises {
  const [before, after] = [listPromises(in_use ?? completeTimings({})), listPromises(next)]
  const outstanding = (Object.keys(before) as Promised[]).flatMap((promised) => {
    const promise = older[promised]
    const isOver = promise === undefined || promise.until <= now
    const seconds = Math.max(before[promised], isOver ? 0 : promise.seconds)
    const until = Math.max(now + before[promised] * 1000, isOver ? 0 : promise.until)
    return seconds > after[promised] ? [[promised, { seconds, until }] as const] : []
  })
  return Object.fromEntries(outstanding)
}

function pickShared(timings: SharedTimings): SharedTimings {
  const { rotateSeconds, publishSeconds, maxCallTtl, skewSeconds, leaseSeconds } = timings
  return { rotateSeconds, publishSeconds, maxCallTtl, skewSeconds, leaseSeconds }
}

function findTimings(queries: Pick<Queries, 'settings'>): Promise<KeptTimings | undefined> {
  return findJsonSetting<KeptTimings>(queries, TIMINGS_SETTING, ({ in_use, promises }) =>
    [in_use, promises].every((part) => part === undefined || isJsonObject(part)),
  )
}
