import type { AnyEndpoint } from '../endpoint.js'
import { events } from './events.js'

/** The audit log. */
export const AUDIT_ENDPOINTS: readonly AnyEndpoint[] = [events]
