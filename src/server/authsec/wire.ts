import { formatTime } from '../../core/time.js'
import type { Client, Policy } from '../../store/store.js'

/** A client as AuthSec writes it. */
export function formatClient(client: Client, tenantId: string): object {
  return {
    id: client.id,
    client_id: client.id,
    tenant_id: tenantId,
    project_id: tenantId,
    name: client.name,
    status: client.active ? 'Active' : 'Inactive',
    email: client.email,
    active: client.active,
    client_type: client.clientType,
    ...(client.agentType !== undefined && { agent_type: client.agentType }),
    ...(client.spiffeId !== undefined && { spiffe_id: client.spiffeId }),
    created_at: formatTime(client.createdAt),
    updated_at: formatTime(client.updatedAt),
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
