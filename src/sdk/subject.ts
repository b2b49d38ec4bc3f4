/**
 * A user for whom the agent acts, by a token of theirs. It shows nothing of that token: printed, inspected or serialised
 * it is a redacted description, and where text is expected it throws.
 */
export interface DelegationSubject {
  /**
   * Goes on with a newer token of the same user. What is cached for the old one is used again once the server has
   * named the same user for the new one; when it names another, the subject is dead (`subject_mismatch`).
   * Throws `request_invalid` for what is no token.
   */
  rotate(userToken: string): void
}

/** A subject that does nothing but stand for what a client keeps of it. */
export function createSubject(rotate: (userToken: string) => void): DelegationSubject {
  return new OpaqueSubject(rotate)
}

class OpaqueSubject implements DelegationSubject {
  readonly #rotate: (userToken: string) => void

  constructor(rotate: (userToken: string) => void) {
    this.#rotate = rotate
    Object.freeze(this)
  }

  rotate(userToken: string): void {
    this.#rotate(userToken)
  }

  toJSON(): string {
    return '[redacted]'
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return 'DelegationSubject [redacted]'
  }

  [Symbol.toPrimitive](): never {
    throw new TypeError('a delegation subject is not text: pass it as the subject of a token request')
  }
}
