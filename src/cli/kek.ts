import { AuthsecError } from '../core/errors.js'
import type { Context } from './context.js'

/**
 * The key-encryption key of a server that is shared: from its file, else from AUTHSEC_KEK. Throws `usage` without
 * either, and for one that is no key; what it says never holds what was read.
 */
export async function readKek({ environment }: Context, file: string | undefined): Promise<Uint8Array> {
  const { parseKek, readKekFile } = await import('../authority/kek.js')
  if (file !== undefined) return readKekFile(file)
  if (environment.kek === undefined) {
    throw new AuthsecError('usage', 'the key-encryption key is missing', {
      hint: 'Name its file with --kek-file, or set AUTHSEC_KEK; make one with: openssl rand -base64 32',
    })
  }
  const kek = parseKek(environment.kek)
  if (kek === undefined) throw new AuthsecError('usage', 'AUTHSEC_KEK is not 32 bytes in base64')
  return kek
}
