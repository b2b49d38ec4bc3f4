import type { AnyEndpoint } from '../../endpoint.js'
import { generateToken } from './generate-token.js'
import { issueDelegated } from './issue-delegated.js'
import { renew } from './renew.js'
import { exportSpireAuditLogs, spireAuditLogs } from './spire-audit.js'

/** What AuthSec does and should not: served only where somebody asked for it by name. */
export const QUIRK_ENDPOINTS: readonly AnyEndpoint[] = [
  renew,
  issueDelegated,
  generateToken,
  spireAuditLogs,
  exportSpireAuditLogs,
]
