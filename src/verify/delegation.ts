import type { ActorClaim, BaseClaims, CallClaims } from '../core/claims.js'
import type { Permissions } from '../core/permission.js'
import type { JsonObject } from '../core/strict-json.js'
import type { Presented } from './check.js'
import type { ProfileName } from './profile.js'

/** The person for whom an agent acts. */
export interface Principal {
  /** An opaque id. */
  id: string
}

/** An agent of the chain. */
export interface Actor {
  /** Its SPIFFE id. */
  id: string
  /** Its client id at AuthSec. */
  clientId: string
}

/** What a verified token says: who acts, for whom, and what for. */
export interface VerifiedDelegation {
  profile: ProfileName
  /** The person for whom the call is made. */
  user: Principal
  /** The agent that makes the call; the only one of the chain that may count in a decision (RFC 8693 §4.1). */
  actor: Actor
  /** The current actor, then those it had its delegation from: history, for the record only. */
  chain: readonly Actor[]
  permissions: Permissions
  /** The tool the token was issued for, where the request for it named one. */
  tool: string | undefined
  /** The arguments of the call that the token is bound to, as the route has passed and this has checked them. */
  call: Readonly<JsonObject> | undefined
  /** The audit event of its issuance; a base token names none. */
  auditId: string | undefined
  /** The claims as they stand in the token. */
  claims: Readonly<CallClaims> | Readonly<BaseClaims>
  expiresAt: Date
}

/** Tells what a token says, once every check has held: they have made sure that the claims are as typed. */
export function toDelegation({ profile, claims, expect }: Presented): VerifiedDelegation {
  return profile.name === 'call'
    ? fromCallClaims(claims as unknown as CallClaims, expect.call)
    : fromBaseClaims(claims as unknown as BaseClaims)
}

function fromCallClaims(claims: CallClaims, call: JsonObject | undefined): VerifiedDelegation {
  const chain: Actor[] = []
  for (let act: ActorClaim | undefined = claims.act; act !== undefined; act = act.act) {
    chain.push({ id: act.sub, clientId: act.client_id })
  }
  return {
    profile: 'call',
    user: { id: claims.sub },
    actor: chain[0] as Actor,
    chain,
    permissions: new Set(claims.permissions),
    tool: claims.tool,
    call,
    auditId: claims.authsec_audit,
    claims,
    expiresAt: new Date(claims.exp * 1000),
  }
}

function fromBaseClaims(claims: BaseClaims): VerifiedDelegation {
  const actor: Actor = { id: claims.sub, clientId: claims.client_id }
  return {
    profile: 'base',
    user: { id: claims.user_id },
    actor,
    chain: [actor],
    permissions: new Set(claims.permissions),
    tool: undefined,
    call: undefined,
    auditId: undefined,
    claims,
    expiresAt: new Date(claims.exp * 1000),
  }
}
