import { type Binding, type BoundCall, isCallHash, matchesCall, parseBindings } from '../core/call-binding.js'
import { BOUND_CALL_TOKEN_TYPE } from '../core/claims.js'
import { AuthsecError, type ErrorCode } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { Json, JsonObject } from '../core/strict-json.js'
import { type Check, type Presented, show, showList } from './check.js'
import { sha256 } from './digest.js'
import type { Expectation } from './expectation.js'
import { normalizeType } from './profile.js'

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

/**
 * Every condition that the token is bound by is one that this route checks, and every one that the route demands is
 * there: to leave one unheeded would drop it. `cnf` would need a proof of a key, which nobody here can check.
 */
export const binding: Check = {
  name: 'binding',
  refuse(token) {
    const unhandled = findUnhandled(token)
    if (unhandled !== undefined) {
      return refuseRequest(
        'unhandled_binding',
        `the token is bound by "${unhandled}", which is not handled`,
        token.claims,
      )
    }
    const missing = findMissing(token)
    if (missing === undefined) return undefined
    return refuseRequest('binding_missing', `the token is not bound by "${missing}"`, token.claims)
  },
  describe({ claims }) {
    const bound = readBind(claims) ?? []
    return (
      [...bound.map((name) => `to its ${name}`), ...(isOneTime(claims) ? ['for one use'] : [])].join(', ') ||
      'unbound'
    )
  },
}

/** The call is the one that the token is bound to, argument by argument. */
export const call: Check = {
  name: 'call',
  skip: ({ expect }) => (expect.call === undefined ? 'none is expected' : undefined),
  refuse({ claims, expect: { call } }) {
    const bound = { aud: claims['aud'], tool: claims['tool'], args: call } as BoundCall
    if (call === undefined || matchesCall(claims['call'], bound, sha256)) return undefined
    return refuseRequest('call_mismatch', 'the call is not the one that the token is bound to', claims)
  },
  describe: () => 'the one that the token is bound to',
}

// The first condition in the token that nothing here checks: it is unknown, malformed, or the route does not ask for it.
function findUnhandled({ header, claims, expect, settings }: Presented): string | undefined {
  if ('cnf' in claims) return 'cnf'
  const bind = readBind(claims)
  if (bind === undefined) return 'bind'
  if (bind.includes('tool') && expect.tool === undefined) return 'tool'
  if (bind.includes('call') ? expect.call === undefined || !isCallHash(claims['call']) : 'call' in claims) {
    return 'call'
  }
  if ('one_time' in claims && !(isOneTime(claims) && settings.replay)) return 'one_time'
  const isBound = bind.length > 0 || isOneTime(claims)
  if (!isBound && normalizeType(header['typ']) === BOUND_CALL_TOKEN_TYPE) return BOUND_CALL_TOKEN_TYPE
  return undefined
}

function findMissing({ claims, expect }: Presented): string | undefined {
  if (expect.call !== undefined && !readBind(claims)?.includes('call')) return 'call'
  if (expect.oneTime === true && !isOneTime(claims)) return 'one_time'
  return undefined
}

// What the token is bound to; undefined for a claim that says something which nobody here understands.
function readBind({ bind }: JsonObject & { bind?: Json }): readonly Binding[] | undefined {
  if (bind === undefined) return []
  try {
    return Array.isArray(bind) ? parseBindings(bind) : undefined
  } catch {
    return undefined
  }
}

// A refusal of what is asked, not of the token: whoever is refused can find the token's issuance in the audit log.
function refuseRequest(code: ErrorCode, message: string, claims: JsonObject): AuthsecError {
  const auditId = claims['authsec_audit']
  return new AuthsecError(code, message, { auditId: typeof auditId === 'string' ? auditId : undefined })
}

function listExpected({ permissions = [], anyPermission = [] }: Expectation): string[] {
  return [...permissions, ...anyPermission]
}

/** Whether the token is good for one use only. */
export function isOneTime(claims: JsonObject): boolean {
  return claims['one_time'] === true
}
