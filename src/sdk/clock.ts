/** Where the client reads the time and sets its timers. Tests give their own. */
export interface Clock {
  /** Milliseconds since the epoch. Jumps when somebody sets the clock or the machine wakes up. */
  wall(): number
  /** Milliseconds since an arbitrary moment. Never goes back, and may stand still while the machine sleeps. */
  monotonic(): number
  /**
   * Calls `run` once after a delay and returns how to call that off. With `keepsAlive` false the timer does not
   * keep the process from ending.
   */
  after(delayMs: number, run: () => void, keepsAlive?: boolean): () => void
}

/** One moment on both clocks. */
export interface Instant {
  readonly wall: number
  readonly monotonic: number
}

/** The clocks of the runtime. */
export const systemClock: Clock = {
  wall: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, run, keepsAlive = true) {
    const timer = setTimeout(run, delayMs)
    // On the Web a timer is a number and never keeps anything alive.
    if (!keepsAlive && typeof timer === 'object') timer.unref()
    return () => clearTimeout(timer)
  },
}

/** Reads both clocks at once. */
export function readInstant(clock: Clock): Instant {
  return { wall: clock.wall(), monotonic: clock.monotonic() }
}
