/** Work for one key: what it will bring, who waits for it, and how to stop it. */
interface Flight<T> {
  readonly result: Promise<T>
  readonly controller: AbortController
  waiters: number
  /** Whether the work has begun, so that it may already be answering an older question. */
  departed: boolean
}

/**
 * The work itself. `isCurrent` says at the end whether the key was forgotten or taken over meanwhile; then the
 * result is for those who wait, and not to be kept.
 */
export type FlightRun<T> = (signal: AbortSignal, isCurrent: () => boolean) => Promise<T>

export interface JoinOptions {
  /** The caller's own; it makes this caller leave and nobody else. */
  signal?: AbortSignal | undefined
  /** Never joins work that had begun before this call. */
  fresh?: boolean
  /** Whether the work goes on when the last caller has left; no by default. */
  outlivesCallers?: () => boolean
}

/** At most one piece of work per key, shared by everyone who asks meanwhile. */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Flight<T>>()
  #closedBy: Error | undefined

  /** How many pieces of work are under way. */
  get size(): number {
    return this.#flights.size
  }

  /**
   * Waits for the work of a key, and starts it when there is none. Rejects with an `AbortError` on the caller's signal.
   */
  join(key: string, run: FlightRun<T>, options: JoinOptions = {}): Promise<T> {
    const { signal, fresh = false, outlivesCallers = () => false } = options
    if (this.#closedBy !== undefined) return Promise.reject(this.#closedBy)
    // It fires no second time.
    if (signal?.aborted) return Promise.reject(describeAbort(signal))
    const current = this.#flights.get(key)
    const flight = current === undefined || (fresh && current.departed) ? this.#start(key, run) : current
    flight.waiters++
    if (signal === undefined) return flight.result

    return new Promise((resolve, reject) => {
      const leave = () => {
        flight.waiters--
        if (flight.waiters === 0 && !outlivesCallers()) {
          if (this.#flights.get(key) === flight) this.#flights.delete(key)
          flight.controller.abort()
        }
        reject(describeAbort(signal))
      }
      signal.addEventListener('abort', leave, { once: true })
      flight.result.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
    })
  }

  /** Starts the work of a key for nobody; undefined when it is already under way. */
  launch(key: string, run: FlightRun<T>): Promise<T> | undefined {
    return this.#closedBy !== undefined || this.#flights.has(key) ? undefined : this.#start(key, run).result
  }

  /**
   * Stops the work of all keys that begin like this; who waits gets the reason. Without one it ends without being
   * current, and who asks from now on starts anew.
   */
  forgetGroup(prefix: string, reason?: Error): void {
    for (const [key, { controller }] of this.#flights) {
      if (!key.startsWith(prefix)) continue
      this.#flights.delete(key)
      if (reason !== undefined) controller.abort(reason)
    }
  }

  /** Stops all work and takes on no more; those who wait or come later get the reason. */
  close(reason: Error): void {
    this.#closedBy = reason
    for (const { controller } of this.#flights.values()) controller.abort(reason)
    this.#flights.clear()
  }

  #start(key: string, run: FlightRun<T>): Flight<T> {
    const controller = new AbortController()
    const isCurrent = () => this.#flights.get(key) === flight
    // Begun a moment later, so that all who ask in this turn of the event loop ask the same question.
    const result = Promise.resolve().then(() => {
      flight.departed = true
      return run(controller.signal, isCurrent)
    })
    const flight: Flight<T> = { result, controller, waiters: 0, departed: false }
    const land = () => {
      if (isCurrent()) this.#flights.delete(key)
    }
    // Also the one place that handles a failure nobody waits for.
    result.then(land, land)
    this.#flights.set(key, flight)
    return flight
  }
}

/** Throws an `AbortError` when the signal has fired, with the caller's reason as its cause. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw describeAbort(signal)
}

function describeAbort(signal: AbortSignal): unknown {
  const { reason } = signal
  if (reason instanceof DOMException && reason.name === 'AbortError') return reason
  const error = new DOMException('the request for a token was aborted', 'AbortError')
  Object.defineProperty(error, 'cause', { value: reason, configurable: true, writable: true })
  return error
}
