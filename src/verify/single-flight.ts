const FIRST_REST = 1_000
const LONGEST_REST = 30_000
/**
 * Twice what any work may take. A runtime such as Workers may drop what a request has begun when the request is
 * answered: such a flight never ends, and must not hold up whoever comes later.
 */
const LONGEST_FLIGHT = 10_000

/** Work that many wait for and only one does. */
export interface SingleFlight<T> {
  /**
   * Does the work, or joins whoever has begun it in the last ten seconds. After a failure it rests for 1, 2, 4 … 30
   * seconds, in which everyone gets that same failure at once.
   */
  run(): Promise<T>
  /** Whether the work is being done at this moment. */
  isRunning(): boolean
  /** Milliseconds since the work was last begun. */
  sinceStart(): number
  /** Why the work last failed; undefined once it has succeeded again. */
  lastFailure(): unknown
}

/** Wraps `work` so that a crowd of callers costs the server one request, and an outage few. */
export function createSingleFlight<T>(work: () => Promise<T>, clock: () => number): SingleFlight<T> {
  let flight: Promise<T> | undefined
  let flights = 0
  let startedAt = Number.NEGATIVE_INFINITY
  let failure: { error: unknown; at: number; rest: number } | undefined

  async function start(): Promise<T> {
    const number = ++flights
    // What has been begun anew says nothing any more: how its successor ends, counts.
    const isNewest = () => number === flights
    try {
      const result = await work()
      if (isNewest()) failure = undefined
      return result
    } catch (error) {
      const rest = failure === undefined ? FIRST_REST : Math.min(failure.rest * 2, LONGEST_REST)
      if (isNewest()) failure = { error, at: clock(), rest }
      throw error
    } finally {
      if (isNewest()) flight = undefined
    }
  }

  const isRunning = () => flight !== undefined && elapsedSince(startedAt, clock) < LONGEST_FLIGHT

  return {
    run() {
      if (flight !== undefined && isRunning()) return flight
      if (failure !== undefined && elapsedSince(failure.at, clock) < failure.rest) {
        return Promise.reject(failure.error)
      }
      startedAt = clock()
      flight = start()
      return flight
    },
    isRunning,
    sinceStart: () => elapsedSince(startedAt, clock),
    lastFailure: () => failure?.error,
  }
}

/** Milliseconds since `instant`. A clock that was set back has lost the measure: that counts as forever. */
export function elapsedSince(instant: number, clock: () => number): number {
  const elapsed = clock() - instant
  return elapsed < 0 ? Number.POSITIVE_INFINITY : elapsed
}
