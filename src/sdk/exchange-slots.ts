import { AuthsecError } from '../core/errors.js'
import type { Clock } from './clock.js'
import type { Limits } from './http.js'

/** How many exchanges are under way and how many wait at most, so that a burst of an agent is no burst at the server. */
export interface ExchangeSlots {
  /** How many wait. */
  readonly queued: number
  /**
   * Does the work as soon as there is room, first come, first served. Rejects with `overloaded` when too many wait
   * already or the deadline passes meanwhile, and with the signal's reason when it fires.
   */
  run<T>(work: () => Promise<T>, limits: Limits): Promise<T>
}

const AT_ONCE = 16
const WAITING = 256

export function createExchangeSlots(clock: Clock): ExchangeSlots {
  const queue = new Set<() => void>()
  let busy = 0

  return {
    get queued() {
      return queue.size
    },
    async run(work, limits) {
      if (busy < AT_ONCE) busy++
      else await waitForTurn(limits)
      try {
        return await work()
      } finally {
        const [next] = queue
        // The place is handed on, so that nobody who comes in between takes it.
        if (next === undefined) busy--
        else next()
      }
    },
  }

  function waitForTurn({ signal, deadline }: Limits): Promise<void> {
    if (queue.size >= WAITING) throw overloaded(`${WAITING} exchanges are waiting already`)
    return new Promise((resolve, reject) => {
      const leave = (reason: unknown) => {
        end()
        reject(reason)
      }
      const onAbort = () => leave(signal.reason)
      const start = () => {
        end()
        resolve()
      }
      const cancelTimer = clock.after(Math.max(0, deadline - clock.monotonic()), () =>
        leave(overloaded(`the exchange waited behind ${AT_ONCE} others for too long`)),
      )
      const end = () => {
        queue.delete(start)
        cancelTimer()
        signal.removeEventListener('abort', onAbort)
      }
      signal.addEventListener('abort', onAbort, { once: true })
      queue.add(start)
    })
  }
}

function overloaded(message: string): AuthsecError {
  return new AuthsecError('overloaded', message, {
    hint: 'Ask for fewer different tokens at the same time; those of one kind are fetched once.',
  })
}
