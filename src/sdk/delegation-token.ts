import type { Grant } from './grant.js'

/**
 * A delegation token that does not show itself: printed, inspected or serialised it is a redacted description,
 * and where text is expected it throws. `authorization()` and `reveal()` are the only ways to the secret.
 */
export interface DelegationToken {
  /** The id of the token, by which the audit log knows it. Not a secret. */
  readonly jti: string
  /** Where the token is accepted: one resource for a call token, several for a base token. */
  readonly audience: readonly string[]
  /** What the token permits, sorted. */
  readonly permissions: readonly string[]
  /** When it ends, by the clock of this machine. */
  readonly expiresAt: Date
  /** Whether it was already there, rather than fetched for this call. */
  readonly fromCache: boolean
  /** The audit event that recorded its issuance, where the server tells. */
  readonly auditId: string | undefined
  /** The value of an `Authorization` header: `Bearer` and the token (RFC 6750 §2.1). */
  authorization(): string
  /** The JWT itself. */
  reveal(): string
}

/** Wraps what the server granted. */
export function createDelegationToken(grant: Grant, fromCache: boolean): DelegationToken {
  return new OpaqueToken(grant, fromCache)
}

// A class, for what only a private field gives: no inspector, serialiser or clone can reach the JWT.
class OpaqueToken implements DelegationToken {
  readonly #jwt: string
  readonly #expiresAt: number
  readonly jti: string
  readonly audience: readonly string[]
  readonly permissions: readonly string[]
  readonly fromCache: boolean
  readonly auditId: string | undefined

  constructor(grant: Grant, fromCache: boolean) {
    this.#jwt = grant.jwt
    this.#expiresAt = grant.expiresAt
    this.jti = grant.jti
    this.audience = grant.audience
    this.permissions = grant.permissions
    this.fromCache = fromCache
    this.auditId = grant.auditId
    // One token is handed to many callers: none of them can change it for the others.
    Object.freeze(this)
  }

  get expiresAt(): Date {
    return new Date(this.#expiresAt)
  }

  authorization(): string {
    return `Bearer ${this.#jwt}`
  }

  reveal(): string {
    return this.#jwt
  }

  toJSON(): object {
    const { jti, audience, permissions, expiresAt, auditId } = this
    return { token: '[redacted]', jti, audience, permissions, expiresAt, auditId }
  }

  [Symbol.for('nodejs.util.inspect.custom')](
    _depth: number,
    options: object,
    inspect: (value: unknown, options: object) => string,
  ): string {
    return `DelegationToken ${inspect(this.toJSON(), options)}`
  }

  // Loud beats a header that says "Bearer [object Object]", and much more a log line with the token in it.
  [Symbol.toPrimitive](): never {
    throw new TypeError(
      'a delegation token is not text: send token.authorization() as the Authorization header',
    )
  }
}
