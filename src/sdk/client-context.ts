import { createDiscovery, type Discovery } from './discovery.js'
import type { AuthsecEvent } from './events.js'
import { createHttp } from './http.js'
import { createGatedHttp, type GatedHttp } from './issuer-gate.js'
import type { ResolvedOptions } from './options.js'

/** What every part of one client works with. */
export interface ClientContext {
  readonly options: ResolvedOptions
  readonly http: GatedHttp
  readonly discovery: Discovery
  /** Reports an event; a fault of the observer is not a fault of what it observes. */
  emit(event: AuthsecEvent): void
  /** The moment of the monotonic clock until which a call that begins now may take. */
  newDeadline(): number
}

export function createClientContext(options: ResolvedOptions): ClientContext {
  const emit = (event: AuthsecEvent) => {
    try {
      options.onEvent(event)
    } catch {}
  }
  const http = createGatedHttp(createHttp(options), { ...options, emit })
  return {
    options,
    http,
    discovery: createDiscovery(http, options.serverUrl, options.clock),
    emit,
    newDeadline: () => options.clock.monotonic() + options.http.totalTimeoutMs,
  }
}
