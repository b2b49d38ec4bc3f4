import { AuthsecError } from '../core/errors.js'
import type { Context } from './context.js'

const MAKE_ONE = 'make one with: openssl rand -base64 32'

/**
 * The key-encryption key that somebody keeps: from its file, else from AUTHSEC_KEK; undefined without either, where a
 * state directory has one of its own. Throws `usage` for what is no key; what it says never holds what was read.
 */
export async function findKek(
  { environment }: Context,
  file: string | undefined,
): Promise<Uint8Array | undefined> {
  const { parseKek, readKekFile } = await import('../authority/kek.js')
  if (file !== undefined) return readKekFile(file)
  if (environment.kek === undefined) return undefined
  const kek = parseKek(environment.kek)
  if (kek !== undefined) return kek
  throw new AuthsecError('usage', 'AUTHSEC_KEK is not 32 bytes in base64', {
    hint: `Set it to the key, or unset it and name a file with --kek-file; ${MAKE_ONE}`,
  })
}

/** The key-encryption key of a server that is shared, found as `findKek` does. Throws `usage` without one too. */
export async function readKek(context: Context, file: string | undefined): Promise<Uint8Array> {
  const kek = await findKek(context, file)
  if (kek !== undefined) return kek
  throw new AuthsecError('usage', 'the key-encryption key is missing', {
    hint: `Name its file with --kek-file, or set AUTHSEC_KEK; ${MAKE_ONE}`,
  })
}
