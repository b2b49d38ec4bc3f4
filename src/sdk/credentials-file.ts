import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { ClientCredentials } from './credentials.js'

/** Where the environment names the file with the client's private key, and the one with its secret. */
const KEY_FILE_VARIABLE = 'AUTHSEC_CLIENT_KEY_FILE'
const SECRET_FILE_VARIABLE = 'AUTHSEC_CLIENT_SECRET_FILE'

/** What is read outside the program. */
export interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>
  readFile(path: string): string
}

/**
 * The credentials of a file that the environment names, so that one program is a public agent on a developer's machine
 * and a client that proves who it is on a shared server. Undefined where no file is named; throws `configuration` for
 * two of them, and for one that cannot be read.
 */
export function readCredentialsFile({ environment, readFile }: Surroundings): ClientCredentials | undefined {
  const { [KEY_FILE_VARIABLE]: keyFile, [SECRET_FILE_VARIABLE]: secretFile } = environment
  if (keyFile && secretFile) {
    throw new AuthsecError('configuration', `${KEY_FILE_VARIABLE} and ${SECRET_FILE_VARIABLE} are both set`)
  }
  if (keyFile) return { privateKeyJwt: readNamed(KEY_FILE_VARIABLE, keyFile, readFile) }
  if (secretFile) return { clientSecret: readNamed(SECRET_FILE_VARIABLE, secretFile, readFile).trim() }
  return undefined
}

/** What surrounds the program: nothing at all where there is no Node. */
export function readSurroundings(): Surroundings {
  const node = typeof process === 'object' ? process : undefined
  return {
    environment: node?.env ?? {},
    // Asked for by name at run time, so that a bundle for the Web does not look for files.
    readFile: (path) => {
      const files = node?.getBuiltinModule?.('node:fs')
      if (files === undefined) throw new Error('no files here')
      return files.readFileSync(path, 'utf8')
    },
  }
}

function readNamed(variable: string, path: string, readFile: (path: string) => string): string {
  try {
    return readFile(path)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : ''
    throw new AuthsecError(
      'configuration',
      `${variable} names ${quote(path, 200)}, which cannot be read${code}`,
    )
  }
}
