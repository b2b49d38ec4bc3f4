import { ADMIN_ENDPOINTS } from './admin/endpoints.js'
import { AUDIT_ENDPOINTS } from './audit/endpoints.js'
import { AUTHSEC_ENDPOINTS } from './authsec/endpoints.js'
import { QUIRK_ENDPOINTS } from './authsec/quirks/endpoints.js'
import { saveSnapshot } from './dev/snapshot.js'
import { createSupport } from './dev/support.js'
import type { AnyEndpoint } from './endpoint.js'
import { PROBE_ENDPOINTS } from './health/endpoints.js'
import { LOGIN_ENDPOINTS } from './login/endpoints.js'
import { OAUTH_ENDPOINTS } from './oauth/endpoints.js'

export { QUIRK_ENDPOINTS }

/** Every endpoint that the server has without being asked, a list for each folder. The first that fits a path answers. */
export const ENDPOINTS: readonly AnyEndpoint[] = [
  ...OAUTH_ENDPOINTS,
  ...LOGIN_ENDPOINTS,
  ...AUTHSEC_ENDPOINTS,
  ...ADMIN_ENDPOINTS,
  ...AUDIT_ENDPOINTS,
  ...PROBE_ENDPOINTS,
  saveSnapshot,
  createSupport(() => [...ENDPOINTS, ...QUIRK_ENDPOINTS]),
]
