import {
  BOUND_CALL_TOKEN_TYPE,
  CALL_TOKEN_TYPE,
  TOKEN_TYPE_ACCESS_TOKEN,
  TOKEN_TYPE_ID_TOKEN,
  TOKEN_TYPE_JWT,
} from '../core/claims.js'
import type { Io } from './io.js'
import { parseTokenInput, readTokenInput } from './token-input.js'

/** A token that is sent to be exchanged, and as which kind. */
export interface CarriedToken {
  token: string
  /** RFC 8693 §3. */
  type: string
}

/** How a kind of token is called on the command line. */
export const CARRIED_TYPES = {
  base: TOKEN_TYPE_JWT,
  call: TOKEN_TYPE_ACCESS_TOKEN,
  session: TOKEN_TYPE_ID_TOKEN,
} as const
export type CarriedKind = keyof typeof CARRIED_TYPES

/**
 * Reads a token that is to be exchanged. Its kind is what it says of itself, unless one is named: the server checks
 * it in any case. Throws `not_found` and `token_malformed`.
 */
export async function readCarriedToken(io: Io, source: string, kind?: CarriedKind): Promise<CarriedToken> {
  const input = await readTokenInput(io, source)
  const { header, claims } = parseTokenInput(input)
  const typ = String(header['typ'] ?? '').toLowerCase()
  const said =
    typ === CALL_TOKEN_TYPE || typ === BOUND_CALL_TOKEN_TYPE
      ? 'call'
      : String(claims['iss']).startsWith('spiffe://')
        ? 'base'
        : 'session'
  return { token: input.token, type: CARRIED_TYPES[kind ?? said] }
}
