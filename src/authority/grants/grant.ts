import type { Store } from '../../store/store.js'
import type { AuditLog, Provenance } from '../audit/log.js'
import type { BaseTokens } from '../base-tokens.js'
import type { SigningKey } from '../signer.js'

/** One grant type of the token endpoint, as data. */
export interface Grant {
  /** The value of `grant_type`. */
  grantType: string
  issue(form: ReadonlyMap<string, string>, context: GrantContext): Promise<TokenResponse>
}

export interface GrantContext {
  store: Store
  audit: AuditLog
  /** The key of call tokens. */
  key: SigningKey
  clock: () => number
  tenantId: string
  issuer: string
  provenance: Provenance
  baseTokens: BaseTokens
}

/** A successful answer of the token endpoint, RFC 8693 §2.2.1, as it goes over the wire. */
export interface TokenResponse {
  access_token: string
  issued_token_type: string
  token_type: 'Bearer'
  expires_in: number
  scope: string
  /** The audit event that recorded the issuance. */
  authsec_audit: string
}
