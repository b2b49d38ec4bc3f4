import type { PolicyTerms } from '../api/policies.js'
import { parsePermissions } from '../core/permission.js'
import type { Declarable } from './declaration.js'
import { parseSeconds } from './flags.js'

/** Policies as a file declares them, with the members of the server; `max_ttl` is a duration such as 8h. */
export const POLICIES: Declarable<PolicyTerms> = {
  one: 'a policy',
  many: 'policies',
  members: ['role_name', 'agent_type', 'allowed_permissions', 'resources', 'max_ttl', 'enabled', 'client_id'],
  hint: 'Its max_ttl is a duration such as 8h, its client_id a UUID or an exact name.',
  read: ({ text, texts, flag, maybe }) => ({
    role: text('role_name'),
    agentType: text('agent_type'),
    permissions: [...parsePermissions(texts('allowed_permissions'))],
    resources: texts('resources'),
    maxTtlSeconds: parseSeconds(text('max_ttl')),
    enabled: maybe('enabled', flag) ?? true,
    clientId: maybe('client_id', text),
  }),
}
