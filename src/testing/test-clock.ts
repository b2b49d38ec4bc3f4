import { nextTurn } from '../core/next-turn.js'
import type { Clock } from '../sdk/index.js'

/** A clock that moves only when told to, with timers that fire on the way. */
export interface TestClock extends Clock {
  /** Lets time pass on both clocks, fires what is due in order, and lets the work that it started settle. */
  advance(ms: number): Promise<void>
  /** Somebody sets the wall clock; the monotonic one does not notice. */
  setWall(ms: number): void
  /** The machine sleeps: the wall clock goes on, the monotonic one stands still. */
  suspend(ms: number): void
  /** How many timers are set that would keep a process alive. */
  readonly keptAliveBy: number
}

interface Timer {
  at: number
  run: () => void
  keepsAlive: boolean
}

/** A clock that stands at a moment, in milliseconds since the epoch. */
export function createTestClock(wall: number = Date.parse('2026-11-24T09:00:00Z')): TestClock {
  let wallTime = wall
  let monotonicTime = 1_000
  const timers = new Set<Timer>()

  return {
    wall: () => wallTime,
    monotonic: () => monotonicTime,
    after(delayMs, run, keepsAlive = true) {
      const timer = { at: monotonicTime + delayMs, run, keepsAlive }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    async advance(ms) {
      await settle()
      const end = monotonicTime + ms
      for (;;) {
        const [next] = [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)
        const to = Math.max(monotonicTime, next?.at ?? end)
        wallTime += to - monotonicTime
        monotonicTime = to
        if (next === undefined) return
        timers.delete(next)
        next.run()
        await settle()
      }
    },
    setWall(ms) {
      wallTime = ms
    },
    suspend(ms) {
      wallTime += ms
    },
    get keptAliveBy() {
      return [...timers].filter(({ keepsAlive }) => keepsAlive).length
    },
  }
}

/** Lets everything that waits for nothing but promises come to its end. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await nextTurn()
}
