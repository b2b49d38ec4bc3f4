import { createHmac, type KeyObject, randomBytes } from 'node:crypto'
import { AuthsecError } from '../core/errors.js'
import type { Store } from '../store/store.js'
import { isSameText } from './constant-time.js'
import type { SigningKey, SigningKeys } from './signer.js'

/** Times are milliseconds since the epoch. */
export interface Challenge {
  challenge: string
  createdAt: number
  expiresAt: number
}

const CHALLENGE_MS = 5 * 60_000

export interface Challenges {
  create(): Challenge
  /** Throws `invalid_credentials` for one that is not ours, has expired or was used. */
  use(challenge: string): Promise<void>
}

/**
 * Challenges are proven by the key of sessions instead of being remembered, so that whoever asks for many fills nothing,
 * and any server of the store knows them. Their text has a space, which that of a token has not: neither can stand for
 * the other.
 */
export function createChallenges(options: {
  store: Store
  keys: SigningKeys
  clock: () => number
}): Challenges {
  const { store, keys, clock } = options
  const prove = ({ privateKey }: SigningKey, body: string) =>
    authenticateText(privateKey, `login challenge ${body}`)

  return {
    create() {
      const createdAt = clock()
      const expiresAt = createdAt + CHALLENGE_MS
      const body = `${randomBytes(16).toString('base64url')}.${expiresAt}`
      return { challenge: `${body}.${prove(keys.active, body)}`, createdAt, expiresAt }
    },
    async use(challenge) {
      const end = challenge.lastIndexOf('.')
      const body = challenge.slice(0, Math.max(0, end))
      const expiresAt = Number(body.slice(body.indexOf('.') + 1))
      const proof = challenge.slice(end + 1)
      if (!keys.trusted.some((key) => isSameText(proof, prove(key, body)))) throw staleChallenge()
      if (expiresAt <= clock()) throw staleChallenge()
      const use = { jti: `challenge ${body}`, expiresAt }
      if (!(await store.write(({ uses }) => uses.insert(use)))) throw staleChallenge()
    },
  }
}

/** A short proof that a text comes from whoever holds the key. */
export function authenticateText(key: Uint8Array | KeyObject, text: string): string {
  return createHmac('sha256', key).update(text).digest('base64url')
}

function staleChallenge(): AuthsecError {
  return new AuthsecError('invalid_credentials', 'the challenge is unknown, used or has expired')
}
