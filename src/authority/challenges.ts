import { createHmac, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto'
import { AuthsecError } from '../core/errors.js'

/** Times are milliseconds since the epoch. */
export interface Challenge {
  challenge: string
  createdAt: number
  expiresAt: number
}

const CHALLENGE_MS = 5 * 60_000
const MAX_USED_CHALLENGES = 10_000

export interface Challenges {
  create(): Challenge
  /** Throws `invalid_credentials` for one that is not ours, has expired or was used. */
  use(challenge: string): void
}

/** Challenges are proven by a key of this run instead of being remembered: whoever asks for many fills nothing. */
export function createChallenges(clock: () => number): Challenges {
  const key = randomBytes(32)
  const used = new Map<string, number>()
  return {
    create() {
      const createdAt = clock()
      const expiresAt = createdAt + CHALLENGE_MS
      const body = `${randomBytes(16).toString('base64url')}.${expiresAt}`
      return { challenge: `${body}.${authenticateText(key, body)}`, createdAt, expiresAt }
    },
    use(challenge) {
      const now = clock()
      const end = challenge.lastIndexOf('.')
      const body = challenge.slice(0, Math.max(0, end))
      const expiresAt = Number(body.slice(body.indexOf('.') + 1))
      if (!isSameText(challenge.slice(end + 1), authenticateText(key, body))) throw staleChallenge()
      if (expiresAt <= now || used.has(challenge)) throw staleChallenge()
      for (const [known, expiry] of used) {
        if (expiry > now && used.size < MAX_USED_CHALLENGES) break
        used.delete(known)
      }
      used.set(challenge, expiresAt)
    },
  }
}

/** A short proof that a text comes from whoever holds the key. */
export function authenticateText(key: Uint8Array | KeyObject, text: string): string {
  return createHmac('sha256', key).update(text).digest('base64url')
}

/** Compares two texts in a time that does not depend on where they differ. */
export function isSameText(first: string, second: string): boolean {
  const [a, b] = [Buffer.from(first), Buffer.from(second)]
  return a.length === b.length && timingSafeEqual(a, b)
}

function staleChallenge(): AuthsecError {
  return new AuthsecError('invalid_credentials', 'the challenge is unknown, used or has expired')
}
