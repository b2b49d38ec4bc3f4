const FIRST_REST = 1_000
const LONGEST_REST = 30_000

/** Work that many wait for and only one does. */
export interface SingleFlight<T> {
  /**
   * Does the work, or joins whoever does it already. After a failure it rests for 1, 2, 4 … 30 seconds, in
   * which everyone gets that same failure at once.
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
  let startedAt = Number.NEGATIVE_INFINITY
  let failure: { error: unknown; at: number; rest: number } | undefined

  async function start(): Promise<T> {
    try {
      const result = await work()
      failure = undefined
      return result
    } catch (error) {
      const rest = failure === undefined ? FIRST_REST : Math.min(failure.rest * 2, LONGEST_REST)
      failure = { error, at: clock(), rest }
      throw error
    } finally {
      flight = undefined
    }
  }

  return {
    run() {
      if (flight !== undefined) return flight
      if (failure !== undefined && elapsedSince(failure.at, clock) < failure.rest) {
        return Promise.reject(failure.error)
      }
      startedAt = clock()
      flight = start()
      return flight
    },
    isRunning: () => flight !== undefined,
    sinceStart: () => elapsedSince(startedAt, clock),
    lastFailure: () => failure?.error,
  }
}

/** Milliseconds since `instant`. A clock that was set back has lost the measure: that counts as forever. */
export function elapsedSince(instant: number, clock: () => number): number {
  const elapsed = clock() - instant
  return elapsed < 0 ? Number.POSITIVE_INFINITY : elapsed
}
