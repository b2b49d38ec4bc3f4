import type { TestProject } from 'vitest/node'
import { formatJwk, generateKey } from '../../src/authority/key-files.js'

declare module 'vitest' {
  interface ProvidedContext {
    /** A JWK Set for `keys: { import }`: the keys of a server that take long to make. */
    serverKeys: string
  }
}

/**
 * Makes the RSA keys of a server once for a whole run: three of them cost more than everything else that a server does
 * before it answers, and hundreds are started.
 */
export async function setup({ provide }: TestProject): Promise<void> {
  const places = [{}, { state: 'prepared' }, { purpose: 'base' }]
  const made = await Promise.all(places.map(async (place) => ({ ...(await generateKey('RS256')), ...place })))
  provide('serverKeys', JSON.stringify({ keys: made.map((key) => formatJwk(key, 'private')) }))
}
