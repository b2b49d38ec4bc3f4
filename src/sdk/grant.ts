import { AuthsecError } from '../core/errors.js'
import { isNumericDate, type ParsedJwt, parseJwt } from '../core/jwt.js'
import { sortPermissions } from '../core/permission.js'
import type { Json, JsonObject } from '../core/strict-json.js'
import type { Lifetime } from './lifetime.js'

/** A token as the server granted it, with all that the client decides by. Holds the secret: never shown. */
export interface Grant {
  readonly jwt: string
  readonly jti: string
  readonly audience: readonly string[]
  readonly permissions: readonly string[]
  readonly auditId: string | undefined
  /** The delegating user of a base token, the user of a call token. */
  readonly userId: string
  /** Milliseconds since the epoch, by the clock of this machine. */
  readonly expiresAt: number
  readonly lifetime: Lifetime
}

/** What the client reads from a token. Nobody here has verified it: it came from the server it was asked of. */
export interface GrantedClaims {
  jti: string
  audience: readonly string[]
  permissions: readonly string[]
  /** Seconds since the epoch. */
  iat: number
  exp: number
  userId: string
  clientId: string | undefined
  terms: GrantedTerms
}

/** Under which conditions a token is good, as it says itself. */
export interface GrantedTerms {
  type: Json | undefined
  tool: Json | undefined
  bind: Json
  call: Json | undefined
  oneTime: Json
}

/** Reads the claims of a granted token; throws `token_response_invalid` naming the one that is missing. */
export function readGrantedClaims(jwt: unknown): GrantedClaims {
  const { header, claims } = parseToken(jwt)
  const { jti, exp, iat, tool, bind = [], call, one_time: oneTime = false } = claims
  if (typeof jti !== 'string' || jti === '') throw invalidResponse('the token has no jti')
  if (!isNumericDate(exp)) throw invalidResponse('the token has no exp')
  if (!isNumericDate(iat)) throw invalidResponse('the token has no iat')
  if (exp <= iat) throw invalidResponse('the token has no lifetime')
  const userId = claims['user_id'] ?? claims['sub']
  if (typeof userId !== 'string') throw invalidResponse('the token names no user')
  return {
    jti,
    exp,
    iat,
    userId,
    audience: Object.freeze(readAudience(claims)),
    permissions: Object.freeze(readPermissions(claims)),
    clientId: typeof claims['client_id'] === 'string' ? claims['client_id'] : undefined,
    terms: { type: header['typ'], tool, bind, call, oneTime },
  }
}

/** A `token_response_invalid` that says what is wrong with the answer. */
export function invalidResponse(
  message: string,
  options: { requestId?: string | undefined } = {},
): AuthsecError {
  return new AuthsecError('token_response_invalid', message, {
    hint: 'The server answered, but not with a token that can be used: check what the server is.',
    ...options,
  })
}

function parseToken(jwt: unknown): ParsedJwt {
  if (typeof jwt !== 'string') throw invalidResponse('the answer holds no token')
  try {
    return parseJwt(jwt)
  } catch (error) {
    throw invalidResponse(AuthsecError.is(error) ? error.message : 'the token is unreadable')
  }
}

function readAudience({ aud }: JsonObject): string[] {
  const audience = Array.isArray(aud) ? aud : [aud]
  if (!audience.every((value) => typeof value === 'string'))
    throw invalidResponse('the token has no audience')
  return audience
}

// A token may say it twice. What either of them says may count at the API, so both do here.
function readPermissions({ permissions, scope }: JsonObject): string[] {
  const list = permissions ?? []
  const words = scope ?? ''
  if (!Array.isArray(list) || !list.every((value) => typeof value === 'string')) {
    throw invalidResponse('the permissions of the token are not a list of texts')
  }
  if (typeof words !== 'string') throw invalidResponse('the scope of the token is not a text')
  return sortPermissions([...list, ...splitScope(words)])
}

/** The words of a `scope` value (RFC 6749 §3.3), whatever they are. */
export function splitScope(scope: string): string[] {
  return scope.split(' ').filter((word) => word !== '')
}
