import type { Binding, CallHash } from './call-binding.js'
import type { MayAct } from './presenting.js'

/** The `act` claim (RFC 8693 §4.1): the outermost is the current actor, what is nested is history. */
export interface ActorClaim {
  /** The agent's SPIFFE id. */
  sub: string
  /** The agent's client UUID. */
  client_id: string
  act?: ActorClaim
}

/** What a call token says: RFC 9068 with the delegation on top. Times are seconds since the epoch. */
export interface CallClaims {
  iss: string
  /** The user for whom the agent acts, an opaque id. */
  sub: string
  /** The one resource that may accept the token. */
  aud: string
  exp: number
  iat: number
  nbf: number
  jti: string
  client_id: string
  tenant_id: string
  /** The permissions joined by spaces; always equal to `permissions`. */
  scope: string
  permissions: string[]
  act: ActorClaim
  /** What the token was exchanged for: an agent's base token, or a token of the user. */
  authsec_grant: 'standing' | 'user'
  /** The delegation it descends from. */
  authsec_delegation: string
  parent_jti: string
  /** The audit event that recorded its issuance. */
  authsec_audit: string
  /** Correlates everything that belongs to one task. */
  txn: string
  /** The jtis from which the parent descends, nearest first; absent where it is the root's own child. */
  authsec_ancestors?: string[] | undefined
  /** The one party that may act next, RFC 8693 §4.4. */
  may_act?: MayAct | undefined
  /** The tool that asked: context, and a condition when `bind` names it. */
  tool?: string | undefined
  /** What of the call is a condition: an API that cannot check it refuses the token. */
  bind?: Binding[] | undefined
  /** The one call that `bind` means. */
  call?: CallHash | undefined
  /** Good for one use. */
  one_time?: true | undefined
}

/** What AuthSec's own delegation token says: a JWT-SVID held by the agent, `sub` is its SPIFFE id. */
export interface BaseClaims {
  iss: string
  sub: string
  aud: string[]
  exp: number
  iat: number
  nbf: number
  jti: string
  /** The delegating user. */
  user_id: string
  tenant_id: string
  agent_type: string
  permissions: string[]
  client_id: string
}

/**
 * What a call token says that a client holds for itself (client_credentials, RFC 9068 §2.2): nobody has delegated
 * anything, so there is no `act`, and an API that expects a delegation refuses it.
 */
export interface ClientClaims {
  iss: string
  /** The client itself: its SPIFFE id, or its UUID where it has none. */
  sub: string
  aud: string
  exp: number
  iat: number
  nbf: number
  jti: string
  client_id: string
  tenant_id: string
  scope: string
  permissions: string[]
  authsec_grant: 'client'
  authsec_audit: string
  txn: string
}

/** `typ` of a call token, RFC 9068 §2.1. */
export const CALL_TOKEN_TYPE = 'at+jwt'
/** `typ` of a call token that carries `bind` or `one_time`: a verifier that does not know bindings refuses it. */
export const BOUND_CALL_TOKEN_TYPE = 'authsec-call+jwt'
/** `typ` of a base token, as AuthSec issues it. */
export const BASE_TOKEN_TYPE = 'JWT'

/** Token type identifiers, RFC 8693 §3. */
export const TOKEN_TYPE_JWT = 'urn:ietf:params:oauth:token-type:jwt'
export const TOKEN_TYPE_ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'
export const TOKEN_TYPE_ID_TOKEN = 'urn:ietf:params:oauth:token-type:id_token'
/** The grant type of token exchange, RFC 8693 §2.1. */
export const GRANT_TYPE_TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
/** The grant type of whoever holds a token of another issuer, RFC 7523 §2.1. */
export const GRANT_TYPE_JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
/** The grant type of a client that has asked a person, OpenID CIBA Core §10.1. */
export const GRANT_TYPE_CIBA = 'urn:openid:params:grant-type:ciba'
/** The grant type of a client that asks for itself, RFC 6749 §4.4. */
export const GRANT_TYPE_CLIENT_CREDENTIALS = 'client_credentials'
