import { BOUND_CALL_TOKEN_TYPE } from '../core/claims.js'
import { AuthsecError, type ErrorCode } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { Json, JsonObject } from '../core/strict-json.js'
import { type Check, show, showList } from './check.js'
import type { Expectation } from './expectation.js'
import { normalizeType } from './profile.js'

/** Claims that bind a token to a call, a use or a key: to leave one unheeded would drop the condition. */
const BINDING_CLAIMS = ['bind', 'call', 'one_time', 'cnf']

/** The token carries the permissions that the route asks for. */
export const permissions: Check = {
  name: 'permissions',
  skip: ({ expect }) => (listExpected(expect).length === 0 ? 'none is expected' : undefined),
  refuse({ claims, expect: { permissions: all, anyPermission: any } }) {
    const held: readonly Json[] = Array.isArray(claims['permissions']) ? claims['permissions'] : []
    const missing = all?.filter((permission) => !held.includes(permission)) ?? []
    if (missing.length > 0) {
      return refuseRequest('permission_missing', `the token does not carry ${missing.join(' ')}`, claims)
    }
    if (any !== undefined && !any.some((permission) => held.includes(permission))) {
      return refuseRequest('permission_missing', `the token carries none of ${any.join(' ')}`, claims)
    }
    return undefined
  },
  describe: ({ expect }) => listExpected(expect).join(' '),
}

/** The token was issued for a tool that the route accepts. */
export const tool: Check = {
  name: 'tool',
  skip: ({ expect }) => (expect.tool === undefined ? 'none is expected' : undefined),
  refuse({ claims, profile, expect }) {
    if (expect.tool === undefined) return undefined
    const accepted: readonly unknown[] = typeof expect.tool === 'string' ? [expect.tool] : expect.tool
    const named = profile.name === 'call' ? claims['tool'] : undefined
    if (accepted.includes(named)) return undefined
    return refuseRequest('tool_mismatch', `the tool is ${show(named)}, not ${showList(accepted)}`, claims)
  },
  describe: ({ claims }) => quote(claims['tool']),
}

/** Nothing in the token demands a check that this verifier does not make. */
export const binding: Check = {
  name: 'binding',
  refuse({ header, claims }) {
    const unhandled =
      BINDING_CLAIMS.find((claim) => claim in claims) ??
      (normalizeType(header['typ']) === BOUND_CALL_TOKEN_TYPE ? BOUND_CALL_TOKEN_TYPE : undefined)
    if (unhandled === undefined) return undefined
    return refuseRequest(
      'unhandled_binding',
      `the token is bound by "${unhandled}", which is not handled`,
      claims,
    )
  },
  describe: () => 'unbound',
}

// A refusal of what is asked, not of the token: whoever is refused can find the token's issuance in the audit log.
function refuseRequest(code: ErrorCode, message: string, claims: JsonObject): AuthsecError {
  const auditId = claims['authsec_audit']
  return new AuthsecError(code, message, { auditId: typeof auditId === 'string' ? auditId : undefined })
}

function listExpected({ permissions = [], anyPermission = [] }: Expectation): string[] {
  return [...permissions, ...anyPermission]
}
