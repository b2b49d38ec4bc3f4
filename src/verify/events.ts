import type { ErrorCode } from '../core/errors.js'

/** What a verifier reports to `onEvent`. Never holds anything of a token but its id. */
export type VerifyEvent =
  | { type: 'keys.loaded'; url: string; keys: number }
  /** A key is no longer published: nothing that it signed is accepted from now on. */
  | { type: 'keys.withdrawn'; url: string; ids: readonly (string | undefined)[] }
  /**
   * The server gives no keys: an alarm, at most once a minute. Those at hand remain usable for so many milliseconds,
   * and then nothing verifies.
   */
  | { type: 'keys.unavailable'; url: string; code: ErrorCode; usableForMs: number }
  /** A token was accepted, and the server could not be told so: the request went on all the same. */
  | { type: 'receipt.lost'; jti: string; code: ErrorCode }
  /** Nobody could say whether a one-time token was used before, so it was not accepted. */
  | { type: 'replay.unavailable'; jti: string; code: ErrorCode }
  /** The server could not say whether a token is still alive, so it was not accepted. */
  | { type: 'introspection.unavailable'; jti: string; code: ErrorCode }
