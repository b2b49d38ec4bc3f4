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
  /** Nobody could say whether a one-time token was used before, so it was not accepted. */
  | { type: 'replay.unavailable'; jti: string; code: ErrorCode }
  /** The server could not say whether a token is still alive, so it was not accepted. */
  | { type: 'introspection.unavailable'; jti: string; code: ErrorCode }
