import type { Clock } from './clock.js'
import type { DelegationToken } from './delegation-token.js'
import type { Grant } from './grant.js'
import { remaining } from './lifetime.js'

/** A kept token, ready to be handed out. */
export interface StoredToken {
  readonly grant: Grant
  readonly token: DelegationToken
  /** The token as everybody gets it who need not wait: made once, because a promise costs more than to find it. */
  readonly answer: Promise<DelegationToken>
  /** Whether it was getting old when it was last looked at. */
  isAging: boolean
  /** Not refreshed before this moment of the monotonic clock. */
  refreshAfter: number
}

const SWEEP_INTERVAL_MS = 60_000

/**
 * A bounded map of tokens: the least recently used goes first, expired ones go when they are met and once a
 * minute. In memory only. Dropping the reference is all one can do about a string.
 */
export class TokenCache {
  readonly #clock: Clock
  readonly #capacity: number
  readonly #entries = new Map<string, StoredToken>()
  #newest: StoredToken | undefined
  #cancelSweep: (() => void) | undefined
  #evictions = 0

  constructor(clock: Clock, capacity: number) {
    this.#clock = clock
    this.#capacity = capacity
  }

  get size(): number {
    return this.#entries.size
  }

  /** How many tokens had to go although they were good. */
  get evictions(): number {
    return this.#evictions
  }

  /** Finds a token, expired or not, and marks it as used. */
  find(key: string): StoredToken | undefined {
    const stored = this.#entries.get(key)
    // A Map keeps the order of insertion: the end is the most recently used.
    if (stored !== undefined && stored !== this.#newest) {
      this.#entries.delete(key)
      this.#entries.set(key, stored)
      this.#newest = stored
    }
    return stored
  }

  /** Finds a token without marking it. */
  peek(key: string): StoredToken | undefined {
    return this.#entries.get(key)
  }

  /** Keeps a token; `group` is what the keys of its group begin with, and of that no more than `most` are kept. */
  keep(key: string, stored: StoredToken, group?: { prefix: string; most: number }): void {
    this.#entries.delete(key)
    if (group !== undefined) this.#makeRoom(group)
    this.#entries.set(key, stored)
    this.#newest = stored
    if (this.#entries.size > this.#capacity) this.#evictOldest()
    this.#cancelSweep ??= this.#scheduleSweep()
  }

  delete(key: string): void {
    this.#entries.delete(key)
  }

  /** Drops all keys that begin like this. */
  deleteGroup(prefix: string): void {
    for (const key of this.#entries.keys()) {
      if (key.startsWith(prefix)) this.#entries.delete(key)
    }
  }

  clear(): void {
    this.#entries.clear()
    this.#newest = undefined
    this.#cancelSweep?.()
    this.#cancelSweep = undefined
  }

  #makeRoom({ prefix, most }: { prefix: string; most: number }): void {
    const kept = [...this.#entries.keys()].filter((key) => key.startsWith(prefix))
    for (const key of kept.slice(0, Math.max(0, kept.length + 1 - most))) {
      this.#entries.delete(key)
      this.#evictions++
    }
  }

  #evictOldest(): void {
    this.#sweep()
    const [oldest] = this.#entries.keys()
    if (oldest === undefined || this.#entries.size <= this.#capacity) return
    this.#entries.delete(oldest)
    this.#evictions++
  }

  #sweep(): void {
    for (const [key, { grant }] of this.#entries) {
      if (remaining(grant.lifetime, this.#clock) <= 0) this.#entries.delete(key)
    }
  }

  #scheduleSweep(): () => void {
    const run = () => {
      this.#sweep()
      this.#cancelSweep = this.#entries.size > 0 ? this.#scheduleSweep() : undefined
    }
    // Never the reason why a process does not end.
    return this.#clock.after(SWEEP_INTERVAL_MS, run, false)
  }
}
