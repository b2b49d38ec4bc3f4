import { createHash, randomBytes } from 'node:crypto'
import { CALL_SALT_BYTES, type CallHash, hashCall } from '../../core/call-binding.js'
import type { CallTerms } from '../../core/call-terms.js'
import { BOUND_CALL_TOKEN_TYPE, CALL_TOKEN_TYPE, type CallClaims } from '../../core/claims.js'
import { extendChain } from '../../core/delegation.js'
import { formatScope, sortPermissions } from '../../core/permission.js'
import type { JsonObject } from '../../core/strict-json.js'
import type { PresentedToken } from '../presented-tokens.js'
import type { ExchangeDecision } from './exchange-decision.js'
import type { CallRequest } from './exchange-request.js'

/** What goes into a call token beside the decision. */
export interface IssuanceTerms {
  issuer: string
  tenantId: string
  /** Of the token. */
  jti: string
  /** Of a task that begins with it. */
  txn: string
  auditId: string
  /** Seconds since the epoch. */
  issuedAt: number
  /** Seconds. */
  lifetime: number
  terms: CallTerms
}

/** The claims of a call token (design 4 §6); throws `invalid_request` when the chain of actors is too long. */
export function createCallClaims(
  { resource, mayAct, terms: { args } }: CallRequest,
  subject: PresentedToken,
  { standing: { delegation, user }, permissions: granted, actor }: ExchangeDecision,
  { issuer, tenantId, jti, txn, auditId, issuedAt, lifetime, terms }: IssuanceTerms,
): CallClaims {
  const permissions = sortPermissions(granted)
  const { tool, bind, oneTime } = terms
  return {
    iss: issuer,
    sub: user.id,
    aud: resource,
    exp: issuedAt + lifetime,
    iat: issuedAt,
    nbf: issuedAt,
    jti,
    client_id: actor.client_id,
    tenant_id: tenantId,
    scope: formatScope(permissions),
    permissions,
    act: extendChain(actor, subject.act),
    authsec_grant: subject.root.grant,
    authsec_delegation: delegation.id,
    parent_jti: subject.jti,
    authsec_ancestors: subject.ancestors.length > 0 ? [...subject.ancestors] : undefined,
    authsec_audit: auditId,
    txn: subject.txn ?? txn,
    may_act: mayAct,
    tool,
    bind: bind.length > 0 ? [...bind] : undefined,
    call: bind.includes('call') ? hashArguments(resource, tool, args) : undefined,
    one_time: oneTime || undefined,
  }
}

/**
 * The `typ` of these claims: a verifier that does not know conditions must not take the token for an unconditional one.
 */
export function typeOfCall({ bind, one_time: oneTime }: CallClaims): string {
  return bind !== undefined || oneTime === true ? BOUND_CALL_TOKEN_TYPE : CALL_TOKEN_TYPE
}

// A binding to the call has been refused without a tool and without arguments.
function hashArguments(aud: string, tool = '', args: JsonObject = {}): CallHash {
  return hashCall({ aud, tool, args }, randomBytes(CALL_SALT_BYTES), sha256)
}

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest()
}
