import type { ErrorCode } from '../core/errors.js'

/** What a client reports to `onEvent`. Never holds anything of a token but its id. */
export type AuthsecEvent =
  /** The base token was read from the server. */
  | { type: 'token.pulled'; jti: string; expiresAt: Date }
  /** A call token was issued. */
  | {
      type: 'token.exchanged'
      jti: string
      audience: string
      permissions: readonly string[]
      auditId: string | undefined
      expiresAt: Date
    }
  /** A refresh that nobody waited for failed, of the token with this id. */
  | { type: 'token.refresh_failed'; jti: string; code: ErrorCode; message: string }
  /** A new token could not be had, so the callers got the old one, which is still valid. */
  | { type: 'token.stale_served'; jti: string; code: ErrorCode }
  /** An API refused a token, which was dropped. */
  | { type: 'token.rejected'; jti: string; auditId: string | undefined }
  /** Everything that was cached for a user was dropped. */
  | { type: 'subject.revoked' }
  /** A person was asked for approval, and has until then to answer. */
  | { type: 'approval.requested'; expiresAt: Date }
  /** A person has answered, or has not in time; `lost`: what the answer was did not get here. */
  | { type: 'approval.settled'; outcome: 'approved' | 'rejected' | 'expired' | 'lost' }
  /** The server refused something and is not asked again for so long. */
  | { type: 'denial.remembered'; code: ErrorCode; auditId: string | undefined; forMs: number }
  /** The server has failed too often in a row and is left alone for so long. */
  | { type: 'breaker.opened'; code: ErrorCode; forMs: number }
  /** The server answers again. */
  | { type: 'breaker.closed' }
  /** Once per client: call tokens live longer than they are kept. */
  | { type: 'token.long_lived'; jti: string; seconds: number }
  /** Once per client: the server issues no call tokens, so narrower requests get the base token. */
  | { type: 'exchange.unsupported'; audience: string }
