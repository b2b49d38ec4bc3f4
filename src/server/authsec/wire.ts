import type { HeldDelegation } from '../../authority/delegations.js'
import { AuthsecError } from '../../core/errors.js'
import { quote } from '../../core/printable.js'
import { formatTime } from '../../core/time.js'
import type { Client, Policy } from '../../store/store.js'

/** A client as AuthSec writes it. */
export function formatClient(client: Client, tenantId: string): object {
  return {
    id: client.id,
    client_id: client.id,
    tenant_id: tenantId,
    project_id: tenantId,
    owner_id: tenantId,
    org_id: tenantId,
    name: client.name,
    status: formatStatus(client),
    email: client.email,
    tags: client.tags ?? [],
    active: client.active,
    mfa_enabled: false,
    oidc_enabled: client.oidcEnabled ?? false,
    ...(client.hydraClientId !== undefined && { hydra_client_id: client.hydraClientId }),
    client_type: client.clientType,
    ...(client.agentType !== undefined && { agent_type: client.agentType }),
    ...(client.spiffeId !== undefined && { spiffe_id: client.spiffeId }),
    created_at: formatTime(client.createdAt),
    updated_at: formatTime(client.updatedAt),
  }
}

/** A client as AuthSec's lists write it. */
export function formatListedClient(client: Client, tenantId: string): object {
  return {
    ...formatClient(client, tenantId),
    authentication_methods: [],
    user_count: 0,
    deleted: client.deletedAt !== undefined,
  }
}

/** An agent as AuthSec's agent endpoints write it. */
export function formatAgent(client: Client, tenantId: string): object {
  return {
    id: client.id,
    client_id: client.id,
    tenant_id: tenantId,
    name: client.name,
    email: client.email,
    status: formatStatus(client),
    active: client.active,
    client_type: client.clientType,
    ...(client.agentType !== undefined && { agent_type: client.agentType }),
    ...(client.spiffeId !== undefined && { spiffe_id: client.spiffeId }),
    created_at: formatTime(client.createdAt),
    updated_at: formatTime(client.updatedAt),
  }
}

/** A delegation that was just granted, as AuthSec writes it. */
export function formatGrant({ client, delegation, token, warnings }: HeldDelegation): object {
  return {
    token,
    spiffe_id: client.spiffeId,
    expires_at: formatTime(delegation.expiresAt),
    permissions: delegation.permissions,
    audience: delegation.audience,
    ttl_seconds: delegation.ttlSeconds,
    ...(warnings.length > 0 && { warnings }),
  }
}

/** A policy as AuthSec writes it, with the resources that are ours. */
export function formatPolicy(policy: Policy, tenantId: string): object {
  return {
    id: policy.id,
    tenant_id: tenantId,
    role_name: policy.roleName,
    agent_type: policy.agentType,
    allowed_permissions: policy.allowedPermissions,
    resources: policy.resources,
    max_ttl_seconds: policy.maxTtlSeconds,
    enabled: policy.enabled,
    ...(policy.clientId !== undefined && { client_id: policy.clientId }),
    created_by: policy.createdBy ?? null,
    created_at: formatTime(policy.createdAt),
    updated_at: formatTime(policy.updatedAt),
  }
}

/** Reads a status as `formatStatus` writes it, in any case: whether the client is active. Throws `invalid_request`. */
export function readClientStatus(text: string | undefined): boolean | undefined {
  switch (text?.toLowerCase()) {
    case undefined:
      return undefined
    case 'active':
      return true
    case 'inactive':
      return false
    default:
      throw new AuthsecError('invalid_request', `status ${quote(text)} is neither Active nor Inactive`)
  }
}

/** What AuthSec calls the resources of permissions: what each of them is about. */
export function listResources(permissions: readonly string[]): string[] {
  return [...new Set(permissions.map((permission) => permission.slice(0, permission.indexOf(':'))))]
}

function formatStatus({ active, deletedAt }: Client): string {
  if (deletedAt !== undefined) return 'Deleted'
  return active ? 'Active' : 'Inactive'
}
