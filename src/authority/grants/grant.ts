import type { CallAlgorithm, Client, Store } from '../../store/store.js'
import type { AuditLog, Provenance } from '../audit/log.js'
import type { BaseTokens } from '../base-tokens.js'
import type { CallTokens } from '../call-tokens.js'
import type { Ciba } from '../ciba.js'
import type { Mode, Presenter } from '../client-authentication.js'
import type { Devices } from '../devices.js'
import type { IssuerKeys } from '../issuer-keys.js'
import type { AssertSigning } from '../keys.js'
import type { Sessions } from '../sessions.js'
import type { SigningKey } from '../signer.js'

/** One grant type of the token endpoint, as data. */
export interface Grant {
  /** The value of `grant_type`. */
  grantType: string
  /** Whether a person may ask by it in the place of a client, whose session is then the proof. */
  takesSessions?: true
  /** Whether what it carries proves the client that names itself, so that nothing else has to. */
  provesClient?: true
  issue(form: ReadonlyMap<string, string>, context: GrantContext): Promise<TokenResponse>
}

export interface GrantContext {
  store: Store
  audit: AuditLog
  /** The key that signs the call tokens of a resource. */
  callKey: (signingAlg: CallAlgorithm) => SigningKey
  /** Throws where a key has been taken out of use since it signed. */
  assertSigning: AssertSigning
  /** The longest life of a call token, in seconds. */
  maxCallTtl: number
  clock: () => number
  tenantId: string
  issuer: string
  provenance: Provenance
  mode: Mode
  baseTokens: BaseTokens
  callTokens: CallTokens
  sessions: Sessions
  /** The keys of other issuers that trust rules name. */
  issuerKeys: IssuerKeys
  ciba: Ciba
  devices: Devices
  /** Who claims to ask. A grant proves it, in the question it asks the store anyway, before anything else. */
  presenter: Presenter
  /** The session of a person who asks in the place of the presenter; nothing of it has been checked. */
  standInToken: string | undefined
  /** Proves it with a question of its own; throws `invalid_client` unless it is an active client. */
  findPresenter(): Promise<Client>
}

/** A successful answer of the token endpoint, RFC 6749 §5.1 and RFC 8693 §2.2.1, as it goes over the wire. */
export interface TokenResponse {
  access_token: string
  /** What an exchange says of its result. */
  issued_token_type?: string
  token_type: 'Bearer'
  expires_in: number
  scope: string
  /** What was granted of the details asked for, RFC 9396 §7. */
  authorization_details?: readonly object[] | undefined
  /** The audit event that recorded the issuance. */
  authsec_audit: string
}
