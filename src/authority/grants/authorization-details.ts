import { assertCallArguments, MAX_CALL_DEPTH, parseBindings } from '../../core/call-binding.js'
import type { AskedTerms } from '../../core/call-terms.js'
import type { CallClaims } from '../../core/claims.js'
import { AuthsecError } from '../../core/errors.js'
import { quote } from '../../core/printable.js'
import { isJsonObject, type Json, type JsonObject, parseStrictJson } from '../../core/strict-json.js'

/** The one type of authorization details here: a call, through the other door to the same fields (RFC 9396 §2). */
export const CALL_DETAILS_TYPE = 'authsec_call'

const MEMBERS = ['type', 'tool', 'bind', 'call', 'one_time', 'ttl_seconds']

/** What authorization details ask for. */
export type AskedDetails = AskedTerms & { ttlSeconds?: number | undefined }

/**
 * Reads `authorization_details`: one object of type `authsec_call`. Throws `invalid_authorization_details` for an
 * unknown type, an unknown field or a value of the wrong type (RFC 9396 §5), and what the same parameters of a form
 * would throw.
 */
export function readAuthorizationDetails(text: string | undefined): AskedDetails | undefined {
  if (text === undefined) return undefined
  const { tool, bind, call, one_time: oneTime, ttl_seconds: ttlSeconds } = readDetails(text) as Fields
  if (tool !== undefined && typeof tool !== 'string') throw invalid('tool is not a text')
  if (bind !== undefined && !Array.isArray(bind)) throw invalid('bind is not a list')
  if (oneTime !== undefined && typeof oneTime !== 'boolean')
    throw invalid('one_time is neither true nor false')
  if (ttlSeconds !== undefined && typeof ttlSeconds !== 'number') throw invalid('ttl_seconds is not a number')
  if (call !== undefined) assertCallArguments(call)
  return { tool, bind: bind && parseBindings(bind), args: call, oneTime, ttlSeconds }
}

/** The details that were granted (RFC 9396 §7): with the hash of the arguments instead of the arguments. */
export function formatGrantedDetails(claims: CallClaims): readonly object[] {
  const { tool, bind, call, one_time: oneTime, exp, iat } = claims
  return [
    {
      type: CALL_DETAILS_TYPE,
      ...(tool !== undefined && { tool }),
      ...(bind !== undefined && { bind }),
      ...(call !== undefined && { call }),
      ...(oneTime && { one_time: true }),
      ttl_seconds: exp - iat,
    },
  ]
}

interface Fields {
  tool?: Json
  bind?: Json
  call?: Json
  one_time?: Json
  ttl_seconds?: Json
}

function readDetails(text: string): JsonObject {
  const details = parseDetails(text)
  const [only] = Array.isArray(details) ? details : []
  if (!Array.isArray(details) || details.length !== 1 || !isJsonObject(only)) {
    throw invalid('not a list of one object')
  }
  if (only['type'] !== CALL_DETAILS_TYPE) throw invalid(`the type ${quote(only['type'])} is not offered`)
  const foreign = Object.keys(only).find((name) => !MEMBERS.includes(name))
  if (foreign !== undefined) throw invalid(`${quote(foreign)} is not a field of ${CALL_DETAILS_TYPE}`)
  return only
}

function parseDetails(text: string): Json {
  try {
    // A list and an object stand around the arguments.
    return parseStrictJson(text, { maxDepth: MAX_CALL_DEPTH + 2 })
  } catch (error) {
    throw invalid(AuthsecError.is(error) ? error.message : 'not JSON')
  }
}

function invalid(why: string): AuthsecError {
  return new AuthsecError('invalid_authorization_details', `authorization_details: ${why}`)
}
