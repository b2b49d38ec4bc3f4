import { fingerprint } from './digest.js'
import { elapsedSince } from './single-flight.js'

/** What is remembered of tokens, by the tokens themselves, of which only a fingerprint is kept. */
export interface TokenCache<T> {
  find(token: string): T | undefined
  /** Remembers a value until the token expires, in milliseconds since the epoch. */
  store(token: string, value: T, expiresAt: number): void
  drop(token: string): void
}

interface Entry<T> {
  value: T
  storedAt: number
  expiresAt: number
}

/** Remembers at most so many tokens, each for at most so many seconds; beyond that the least recently used goes. */
export function createTokenCache<T>(options: {
  entries: number
  seconds: number
  /** Milliseconds since the epoch. */
  clock: () => number
}): TokenCache<T> {
  const { entries: capacity, seconds, clock } = options
  const entries = new Map<string, Entry<T>>()

  return {
    find(token) {
      const name = fingerprint(token)
      const entry = entries.get(name)
      if (entry === undefined) return undefined
      // Found or not worth finding: either way its old place is given up.
      entries.delete(name)
      if (elapsedSince(entry.storedAt, clock) >= seconds * 1000 || clock() >= entry.expiresAt)
        return undefined
      entries.set(name, entry)
      return entry.value
    },
    store(token, value, expiresAt) {
      const [oldest] = entries.keys()
      if (oldest !== undefined && entries.size >= capacity) entries.delete(oldest)
      entries.set(fingerprint(token), { value, storedAt: clock(), expiresAt })
    },
    drop(token) {
      entries.delete(fingerprint(token))
    },
  }
}
