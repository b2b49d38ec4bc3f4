import { join } from 'node:path'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { isJsonObject, type JsonObject } from '../core/strict-json.js'

/** A server with what is usually said about it. It holds no secret. */
export interface Profile {
  server_url: string
  tenant_id?: string
  client_id?: string
}

/** The file `config.json` in the configuration directory. */
export interface Config {
  readonly path: string
  /** Every profile by its name; none when there is no file. Throws `configuration` for an unreadable one. */
  readProfiles(): Promise<Readonly<Record<string, Profile>>>
  writeProfile(name: string, profile: Profile): Promise<void>
  /** Removes a profile, unless it points elsewhere by now. */
  removeProfile(name: string, serverUrl: string): Promise<void>
}

/** Opens nothing yet. Reads are plain JSON; the package that writes is loaded for writing only. */
export function createConfig(directory: string): Config {
  const path = join(directory, 'config.json')

  async function openForWriting() {
    const Conf = await loadConf()
    return new Conf<{ profiles: Record<string, Profile> }>({
      cwd: directory,
      configName: 'config',
      defaults: { profiles: {} },
      accessPropertiesByDotNotation: false,
    })
  }

  async function readProfiles(): Promise<Record<string, Profile>> {
    const profiles = (await readJsonFile(path))?.['profiles']
    if (!isJsonObject(profiles)) return {}
    return Object.fromEntries(
      Object.entries(profiles).map(([name, value]) => [name, readProfile(name, value, path)]),
    )
  }

  return {
    path,
    readProfiles,
    async writeProfile(name, profile) {
      // First the reading, whose message is better than the package's when the file is damaged.
      const profiles = await readProfiles()
      const config = await openForWriting()
      config.set('profiles', { ...profiles, [name]: profile })
    },
    async removeProfile(name, serverUrl) {
      const { [name]: profile, ...others } = await readProfiles()
      if (profile?.server_url !== serverUrl) return
      const config = await openForWriting()
      config.set('profiles', others)
    },
  }
}

// The package brings handlers along that answer SIGINT and SIGTERM by ending the process at once. A server has to
// be stopped first; what they are for, removing temporary files, also happens at a normal exit.
async function loadConf() {
  const signals = ['SIGHUP', 'SIGINT', 'SIGTERM'] as const
  const before = signals.map((signal) => process.listeners(signal))
  const { default: Conf } = await import('conf')
  for (const [index, signal] of signals.entries()) {
    const added = process.listeners(signal).filter((listener) => !before[index]?.includes(listener))
    for (const listener of added) process.off(signal, listener)
  }
  return Conf
}

/** Reads a JSON object from a file; undefined when there is none, `configuration` when it cannot be read. */
export async function readJsonFile(path: string): Promise<JsonObject | undefined> {
  const { readFile } = await import('node:fs/promises')
  try {
    const value = JSON.parse(await readFile(path, 'utf8'))
    if (isJsonObject(value)) return value
  } catch (error) {
    if (isMissing(error)) return undefined
    if (!(error instanceof SyntaxError)) {
      throw new AuthsecError('configuration', `${quote(path, 200)} cannot be read`, { cause: error })
    }
  }
  throw new AuthsecError('configuration', `${quote(path, 200)} is not a JSON object`, {
    hint: 'Repair the file or remove it.',
  })
}

function readProfile(name: string, value: unknown, path: string): Profile {
  const { server_url, tenant_id, client_id } = isJsonObject(value) ? value : {}
  if (typeof server_url !== 'string') {
    throw new AuthsecError(
      'configuration',
      `profile ${quote(name)} in ${quote(path, 200)} has no server_url`,
      {
        hint: 'Repair the file or remove it.',
      },
    )
  }
  return {
    server_url,
    ...(typeof tenant_id === 'string' && { tenant_id }),
    ...(typeof client_id === 'string' && { client_id }),
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
}
