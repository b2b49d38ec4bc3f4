import type { AnyEndpoint } from '../endpoint.js'
import { consume } from './consume.js'
import { introspect } from './introspect.js'
import { jwks } from './jwks.js'
import { metadata, openidConfiguration } from './metadata.js'
import { protectedResource } from './protected-resource.js'
import { deleteRegistration, readRegistration, registerClient, replaceRegistration } from './register.js'
import { revoke } from './revoke.js'
import { token } from './token.js'

/** The OAuth authorization server. */
export const OAUTH_ENDPOINTS: readonly AnyEndpoint[] = [
  metadata,
  openidConfiguration,
  protectedResource,
  jwks,
  introspect,
  revoke,
  registerClient,
  readRegistration,
  replaceRegistration,
  deleteRegistration,
  token,
  consume,
]
