import { inject } from 'vitest'
import type { TestProject } from 'vitest/node'
import { formatJwk, parseKeys } from '../../src/authority/key-files.js'
import type { KeySource } from '../../src/authority/key-source.js'
import { makeTestKeys } from '../../src/testing/test-keys.js'

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
  const keys = (await makeTestKeys()).map((key) => formatJwk(key, 'private'))
  provide('serverKeys', JSON.stringify({ keys }))
}

/** The keys of the run, for an authority that a test opens itself. */
export async function readServerKeys(): Promise<KeySource> {
  return { imported: await parseKeys(inject('serverKeys'), 'the keys of the run') }
}
