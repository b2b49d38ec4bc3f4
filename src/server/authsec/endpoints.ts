import type { AnyEndpoint } from '../endpoint.js'
import { actionStatus, evaluateAction, pendingActions, respondAction } from './agent-actions.js'
import { listAgents, showAgent } from './agents.js'
import { bundle } from './bundle.js'
import {
  activateClient,
  deactivateClient,
  deleteClient,
  eraseClient,
  patchClient,
  replaceClient,
  setClientStatus,
  softDeleteClient,
} from './client-changes.js'
import { createClient, listAdminClients, listClients, listClientsLegacy, showClient } from './clients.js'
import { delegateToken } from './delegate-token.js'
import { delegationToken, delegationTokenByForm } from './delegation-token.js'
import {
  createService,
  deleteService,
  listServices,
  openService,
  showService,
  updateService,
} from './external-services.js'
import { HEALTH_ENDPOINTS } from './health.js'
import { provisionIdentity, revokeIdentity } from './identities.js'
import { auditLogs, authLogs, logStatus, machineLogs } from './logs.js'
import { platformSelectors } from './platform-selectors.js'
import { createPolicy, deletePolicy, listPolicies, showPolicy, updatePolicy } from './policies.js'
import { revokeToken } from './revoke-token.js'
import { rolesPermissions } from './roles-permissions.js'
import { validate } from './validate.js'

/** AuthSec's own contract. The first that fits a path answers, so `getClients` stands before `:id`. */
export const AUTHSEC_ENDPOINTS: readonly AnyEndpoint[] = [
  delegationToken,
  delegationTokenByForm,
  bundle,
  createClient,
  listClients,
  listClientsLegacy,
  listAdminClients,
  platformSelectors,
  showClient,
  replaceClient,
  patchClient,
  activateClient,
  deactivateClient,
  softDeleteClient,
  setClientStatus,
  deleteClient,
  eraseClient,
  createPolicy,
  listPolicies,
  showPolicy,
  updatePolicy,
  deletePolicy,
  listAgents,
  showAgent,
  provisionIdentity,
  revokeIdentity,
  delegateToken,
  revokeToken,
  rolesPermissions,
  validate,
  evaluateAction,
  actionStatus,
  respondAction,
  pendingActions,
  listServices,
  createService,
  showService,
  updateService,
  deleteService,
  openService,
  authLogs,
  auditLogs,
  machineLogs,
  logStatus,
  ...HEALTH_ENDPOINTS,
]
