import type { AnyEndpoint } from '../endpoint.js'
import { rotateSecret, setClientKeys } from './clients.js'
import { listDelegations } from './delegations.js'
import { activateKey, listKeys, prepareKey, revokeKey, rotateKeys, taintKey } from './keys.js'
import { createResource, deleteResource, listResources, showResource } from './resources.js'
import { createRole, listRoles, updateRole } from './roles.js'
import { revokeTokenById } from './tokens.js'
import { createTrustRule, deleteTrustRule, listTrustRules, showTrustRule } from './trust-rules.js'
import { createUser, listUsers, updateUser } from './users.js'

/** What this toolkit's admins manage beyond AuthSec's contract. */
export const ADMIN_ENDPOINTS: readonly AnyEndpoint[] = [
  createUser,
  listUsers,
  updateUser,
  createRole,
  listRoles,
  updateRole,
  createResource,
  listResources,
  listKeys,
  prepareKey,
  rotateKeys,
  activateKey,
  taintKey,
  revokeKey,
  showResource,
  deleteResource,
  createTrustRule,
  listTrustRules,
  showTrustRule,
  deleteTrustRule,
  listDelegations,
  rotateSecret,
  setClientKeys,
  revokeTokenById,
]
