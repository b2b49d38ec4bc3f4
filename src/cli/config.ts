import { join } from 'node:path'
import type Conf from 'conf'
import { AuthsecError } from '../core/errors.js'
import { GENERATIONS, type Generation } from '../core/generation.js'
import { quote } from '../core/printable.js'
import { isJsonObject, type Json, type JsonObject } from '../core/strict-json.js'
import { keepNames } from './completion-names.js'
import { findTextFile } from './text-file.js'
import { toWriteFailure } from './write-failure.js'

/** A server with what is usually said about it. It holds no secret. */
export interface Profile {
  server_url: string
  tenant_id?: string
  /** The client that is meant when no flag names one. */
  client_id?: string
  /** Which AuthSec the server is. */
  generation?: Generation
  /** Issuers beside the server itself whose tokens `token verify` believes. */
  trusted_issuers?: string[]
}

/** What the file `config.json` says. */
export interface ConfigContent {
  /** The profile that is used when nothing else names one. */
  used?: string
  profiles: Readonly<Record<string, Profile>>
}

/** The file `config.json` in the configuration directory. */
export interface Config {
  readonly path: string
  /** No profiles when there is no file. Throws `configuration` for an unreadable one. */
  read(): Promise<ConfigContent>
  writeProfile(name: string, profile: Profile): Promise<void>
  /** Removes a profile; where a server is named, only while it points there. */
  removeProfile(name: string, serverUrl?: string): Promise<void>
  /** Makes a profile the one that is used when nothing else names one; undefined: none. */
  useProfile(name: string | undefined): Promise<void>
}

/** What lies in the file. */
interface Written {
  profile: string
  profiles: ConfigContent['profiles']
}

/** What to do where the configuration directory takes no file. */
export const CONFIG_ELSEWHERE = 'Set AUTHSEC_CONFIG_DIR to a directory where you may write.'

/** Opens nothing yet. Reads are plain JSON; the package that writes is loaded for writing only. */
export function createConfig(directory: string): Config {
  const path = join(directory, 'config.json')

  // What is written follows from what is read, and must not undo what another command writes in between.
  async function change(write: (config: Conf<Written>, content: ConfigContent) => void): Promise<void> {
    const Conf = await loadConf()
    const { withFileLock } = await import('./file-lock.js')
    await withFileLock(path, async () => {
      // First the reading, whose message is better than the package's when the file is damaged.
      const content = await read()
      const config = new Conf<Written>({
        cwd: directory,
        configName: 'config',
        accessPropertiesByDotNotation: false,
      })
      write(config, content)
      await keepNames(directory, 'profiles', Object.keys(config.get('profiles', {})))
    }).catch((error) => {
      throw toWriteFailure(path, error, CONFIG_ELSEWHERE)
    })
  }

  async function read(): Promise<ConfigContent> {
    const { profile, profiles } = (await readJsonFile(path)) ?? {}
    return {
      ...(typeof profile === 'string' && { used: profile }),
      profiles: readProfiles(profiles, path),
    }
  }

  return {
    path,
    read,
    writeProfile(name, profile) {
      return change((config, { profiles }) => config.set('profiles', { ...profiles, [name]: profile }))
    },
    async removeProfile(name, serverUrl) {
      if ((await read()).profiles[name] === undefined) return
      await change((config, { used, profiles: { [name]: profile, ...others } }) => {
        if (serverUrl !== undefined && profile?.server_url !== serverUrl) return
        config.set('profiles', others)
        if (used === name) config.delete('profile')
      })
    },
    useProfile(name) {
      return change((config) => {
        if (name === undefined) config.delete('profile')
        else config.set('profile', name)
      })
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

// What is known of the logs is the largest: of five hundred of them, each with a signed head.
const MAX_JSON_BYTES = 16 * 1024 * 1024

/** Reads a JSON object from a file; undefined when there is none, `configuration` when it cannot be read. */
export async function readJsonFile(path: string): Promise<JsonObject | undefined> {
  const hint = 'Repair the file or remove it.'
  try {
    const text = await findTextFile(path, { maxBytes: MAX_JSON_BYTES })
    if (text === undefined) return undefined
    const value = JSON.parse(text)
    if (isJsonObject(value)) return value
  } catch (cause) {
    if (AuthsecError.is(cause)) throw new AuthsecError('configuration', cause.message, { hint, cause })
    if (!(cause instanceof SyntaxError)) throw cause
  }
  throw new AuthsecError('configuration', `${quote(path, 200)} is not a JSON object`, { hint })
}

function readProfiles(value: Json | undefined, path: string): Record<string, Profile> {
  if (!isJsonObject(value)) return {}
  return Object.fromEntries(
    Object.entries(value).map(([name, profile]) => [name, readProfile(name, profile, path)]),
  )
}

function readProfile(name: string, value: Json, path: string): Profile {
  const { server_url, tenant_id, client_id, generation, trusted_issuers } = isJsonObject(value) ? value : {}
  if (typeof server_url !== 'string') {
    throw new AuthsecError(
      'configuration',
      `profile ${quote(name)} in ${quote(path, 200)} has no server_url`,
      {
        hint: 'Repair the file or remove it.',
      },
    )
  }
  const known = GENERATIONS.find((candidate) => candidate === generation)
  return {
    server_url,
    ...(typeof tenant_id === 'string' && { tenant_id }),
    ...(typeof client_id === 'string' && { client_id }),
    ...(known !== undefined && { generation: known }),
    ...(Array.isArray(trusted_issuers) && {
      trusted_issuers: trusted_issuers.filter((issuer) => typeof issuer === 'string'),
    }),
  }
}
