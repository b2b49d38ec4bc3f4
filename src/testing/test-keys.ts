import { type FileKey, generateKey } from '../authority/key-files.js'

// Where RSA keys stand in a server; the next one to sign lies ready from the start.
const PLACES = [
  { purpose: 'base' },
  { purpose: 'call' },
  { purpose: 'call', state: 'prepared' },
] as const satisfies Partial<FileKey>[]

let made: Promise<readonly FileKey[]> | undefined

/**
 * The RSA keys of the test servers of this process: to make them takes far longer than all else that such a server
 * does, and a test run opens hundreds. Every server has an ES256 key of its own, which signs its call tokens.
 */
export function makeTestKeys(): Promise<readonly FileKey[]> {
  made ??= Promise.all(PLACES.map(async (place) => ({ ...(await generateKey('RS256')), ...place })))
  return made
}
