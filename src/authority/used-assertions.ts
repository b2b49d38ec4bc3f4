import { hash } from 'node:crypto'
import type { Transaction } from '../store/store.js'

/** An assertion that is used up. */
export interface AssertionUse {
  clientId: string
  /** What tells it from every other of the client: such as its `jti`. */
  id: string
  /** Until when it would be taken, in milliseconds since the epoch. */
  expiresAt: number
}

/** Remembers that an assertion has been used (RFC 7523 §3); false when it was before. */
export async function useAssertion(
  { clientId, id, expiresAt }: AssertionUse,
  { assertions }: Pick<Transaction, 'assertions'>,
): Promise<boolean> {
  const jtiHash = hash('sha256', id, 'base64url')
  return assertions.use({ clientId, jtiHash, expiresAt })
}
