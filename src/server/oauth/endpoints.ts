import type { AnyEndpoint } from '../endpoint.js'
import { consume } from './consume.js'
import { jwks } from './jwks.js'
import { metadata } from './metadata.js'
import { token } from './token.js'

/** The OAuth authorization server. */
export const OAUTH_ENDPOINTS: readonly AnyEndpoint[] = [metadata, jwks, token, consume]
