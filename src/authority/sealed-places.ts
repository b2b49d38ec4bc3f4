import type { SealedPlace } from './envelope.js'

/** Where the private part of a key is sealed to. */
export function placeOfKey({ kid, purpose }: { kid: string; purpose: string }): SealedPlace {
  return { table: 'keys', row: kid, purpose: `${purpose} key` }
}

/** Where the base token of a client is sealed to. */
export function placeOfBaseToken(clientId: string): SealedPlace {
  return { table: 'delegations', row: clientId, purpose: 'base token' }
}

/** Where the credentials of an external service are sealed to. */
export function placeOfCredentials(serviceId: string): SealedPlace {
  return { table: 'external_services', row: serviceId, purpose: 'service credentials' }
}
