/** The tables as the engines hold them: times in milliseconds since the epoch, lists and objects as JSON text. */
export interface Schema {
  external_services: ExternalServiceRow
  agent_actions: AgentActionRow
  settings: { name: string; value: string }
  users: { id: string; email: string; active: number; created_at: number }
  roles: { name: string; permissions: string }
  role_bindings: { user_id: string; role_name: string }
  resources: ResourceRow
  trust_rules: TrustRuleRow
  clients: ClientRow
  policies: PolicyRow
  delegations: DelegationRow
  keys: KeyRow
  sessions: SessionRow
  passwords: PasswordRow
  approvals: ApprovalRow
  audit_events: AuditRow
  audit_terms: AuditTermRow
  audit_private: AuditPrivateRow
  audit_tiles: { level: number; tile: number; hashes: Uint8Array }
  audit_heads: AuditHeadRow
  used_tokens: { jti: string; expires_at: number }
  revoked_tokens: { jti: string; expires_at: number }
  replicas: { boot_id: string; key_revision: number; served_since: number; lease_until: number }
  leases: { name: string; holder: string; epoch: number; expires_at: number }
  guesses: { guesser: string; count: number; until: number }
  used_assertions: { client_id: string; jti_hash: string; expires_at: number }
}

export interface ClientRow {
  id: string
  name: string
  email: string
  client_type: string
  agent_type: string | null
  spiffe_id: string | null
  platform: string | null
  selectors: string
  active: number
  created_at: number
  updated_at: number
  auth_method: string
  secret_hash: string | null
  former_secret_hash: string | null
  former_secret_expires_at: number | null
  jwks: string | null
  grant_types: string | null
  scope: string | null
  registration_token_hash: string | null
  registration: string | null
  tags: string
  hydra_client_id: string | null
  oidc_enabled: number
  deleted_at: number | null
}

export interface ResourceRow {
  uri: string
  permissions: string
  client_id: string | null
  signing_alg: string
  created_at: number
}

export interface TrustRuleRow {
  name: string
  client_id: string
  issuer: string
  audience: string
  subject: string
  /** Patterns by the names of claims. */
  claims: string
  created_at: number
}

export interface PolicyRow {
  id: string
  role_name: string
  agent_type: string
  allowed_permissions: string
  resources: string
  max_ttl_seconds: number
  enabled: number
  client_id: string | null
  created_by: string | null
  created_at: number
  updated_at: number
}

export interface DelegationRow {
  id: string
  client_id: string
  user_id: string
  policy_id: string
  permissions: string
  resources: string
  audience: string
  /** The id of the one live base token: an older one is dead. */
  jti: string
  /** The base token, sealed. */
  token: Uint8Array
  status: string
  ttl_seconds: number
  created_at: number
  updated_at: number
  expires_at: number
  /** Whether the log tells that it has come to its end. */
  end_recorded: number
}

export interface KeyRow {
  kid: string
  purpose: string
  alg: string
  state: string
  public_jwk: string | null
  /** The private or secret JWK, sealed. */
  sealed_jwk: Uint8Array
  created_at: number
  published_at: number | null
  activated_at: number | null
  stopped_at: number | null
}

export interface SessionRow {
  id: string
  kind: string
  user_id: string
  client_id: string | null
  permissions: string | null
  boot_id: string | null
  created_at: number
  expires_at: number
}

export interface ApprovalRow {
  id: string
  kind: string
  form: string
  handle_hash: string
  user_code_hash: string | null
  client_id: string | null
  user_id: string | null
  scopes: string
  ceiling: string | null
  binding_message: string | null
  device_info: string | null
  status: string
  interval_seconds: number
  polled_at: number | null
  created_at: number
  expires_at: number
}

export interface PasswordRow {
  user_id: string
  hash: string
  failures: number
  locked_until: number | null
  used_at: number | null
}

export interface AuditRow {
  seq: number
  id: string
  /** The canonical bytes, verbatim: what is hashed. Every other column is derived from it. */
  record: string
  type: string
  outcome: string
  reason: string | null
  client: string | null
  subject: string | null
  jti: string | null
  parent_jti: string | null
  delegation: string | null
  txn: string | null
  policy: string | null
  occurred_at: number
}

/** What the search looks up by an index; follows behind the records. */
export type AuditTermRow = Omit<AuditRow, 'id' | 'record' | 'reason'>

export interface AuditPrivateRow {
  event_id: string
  ip: string | null
  user_agent: string | null
}

export interface AuditHeadRow {
  size: number
  /** The signed checkpoint, verbatim. */
  note: string
  signed_at: number
  /** Whether it is kept although there are later ones. */
  handover: number
}

export interface ExternalServiceRow {
  id: string
  name: string
  type: string
  url: string
  description: string
  tags: string
  resource_id: string
  auth_type: string
  agent_accessible: number
  /** A JSON object, sealed. */
  sealed_credentials: Uint8Array
  created_by: string
  created_at: number
  updated_at: number
}

export interface AgentActionRow {
  id: string
  client_id: string
  agent_id: string
  agent_name: string | null
  user_id: string
  action: string
  resource: string
  detail: string | null
  risk_score: number
  approval_type: string
  status: string
  /** The ids of the users who approved it. */
  approvers: string
  created_at: number
  expires_at: number
}
