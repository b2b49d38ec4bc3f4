import { type Provenance, SERVER_ITSELF } from '../authority/audit/log.js'
import { isFault } from './problem.js'

export interface UpkeepOptions {
  /** Does what is due, and says when the next is, in milliseconds since the epoch; undefined where nothing is. */
  upkeep(): Promise<number | undefined>
  /** Milliseconds since the epoch. */
  clock: () => number
  /** Told what went wrong; it is tried again. */
  onSurprise: (error: unknown, provenance: Provenance) => void
}

// However far the next change is: clocks are set, people change keys, and another server may have to take over.
const LONGEST_WAIT_MS = 10_000
// However near it is: what fails, or waits for another server, is not tried without a pause.
const SHORTEST_WAIT_MS = 100

/**
 * Does what is due at its time, now and until it is stopped; it keeps no process alive. `stop` waits for what is under
 * way.
 */
export function startUpkeep({ upkeep, clock, onSurprise }: UpkeepOptions): { stop(): Promise<void> } {
  let timer: NodeJS.Timeout | undefined
  let isStopped = false
  let running = run()

  async function run(): Promise<void> {
    let due: number | undefined
    try {
      due = await upkeep()
    } catch (error) {
      // Another server was faster, or it is about to be: that is no fault.
      if (isFault(error)) onSurprise(error, SERVER_ITSELF)
    }
    if (isStopped) return
    const wait = Math.max((due ?? Number.POSITIVE_INFINITY) - clock(), SHORTEST_WAIT_MS)
    timer = setTimeout(
      () => {
        running = run()
      },
      Math.min(wait, LONGEST_WAIT_MS),
    ).unref()
  }

  return {
    async stop() {
      isStopped = true
      clearTimeout(timer)
      await running
    },
  }
}
