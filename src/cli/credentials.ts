import { join } from 'node:path'
import { isJsonObject } from '../core/strict-json.js'
import { readJsonFile } from './config.js'
import { writePrivateFile } from './private-file.js'

/** The session of a profile; it may be sent to its own server only. */
export interface Credential {
  access_token: string
  server_url: string
  /** RFC 3339. */
  expires_at?: string
}

/** The file `credentials.json` (0600) in the configuration directory, keyed by profile. */
export interface Credentials {
  readonly path: string
  read(): Promise<Readonly<Record<string, Credential>>>
  write(profile: string, credential: Credential): Promise<void>
  /** Removes a session, unless another one has taken its place by now. */
  remove(profile: string, accessToken: string): Promise<void>
}

/** Opens nothing yet. */
export function createCredentials(directory: string): Credentials {
  const path = join(directory, 'credentials.json')

  async function read(): Promise<Record<string, Credential>> {
    const entries = Object.entries((await readJsonFile(path)) ?? {})
    return Object.fromEntries(
      entries.flatMap(([profile, value]) => {
        const credential = readCredential(value)
        return credential === undefined ? [] : [[profile, credential]]
      }),
    )
  }

  async function save(credentials: Record<string, Credential>): Promise<void> {
    await writePrivateFile(path, `${JSON.stringify(credentials, null, 2)}\n`)
  }

  return {
    path,
    read,
    async write(profile, credential) {
      await save({ ...(await read()), [profile]: credential })
    },
    async remove(profile, accessToken) {
      const { [profile]: credential, ...others } = await read()
      if (credential?.access_token === accessToken) await save(others)
    },
  }
}

function readCredential(value: unknown): Credential | undefined {
  const { access_token, server_url, expires_at } = isJsonObject(value) ? value : {}
  if (typeof access_token !== 'string' || typeof server_url !== 'string') return undefined
  return { access_token, server_url, ...(typeof expires_at === 'string' && { expires_at }) }
}
