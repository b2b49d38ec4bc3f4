import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { isJsonObject, type Json } from '../core/strict-json.js'
import { CONFIG_ELSEWHERE, readJsonFile } from './config.js'
import type { Keychain } from './keychain.js'
import { writePrivateFile } from './private-file.js'
import { toWriteFailure } from './write-failure.js'

/** The session of a profile; it may be sent to its own server only. */
export interface Session {
  access_token: string
  server_url: string
  /** RFC 3339. */
  expires_at?: string
}

/** Where the secret of a session lies. */
export const SESSION_PLACES = ['keychain', 'file'] as const
export type SessionPlace = (typeof SESSION_PLACES)[number]

/** What is known about a stored session without opening it. */
export interface StoredSession {
  server_url: string
  expires_at?: string
  place: SessionPlace
}

/** The file `credentials.json` (0600) in the configuration directory, keyed by profile, and the keychain beside it. */
export interface Credentials {
  readonly path: string
  list(): Promise<Readonly<Record<string, StoredSession>>>
  /** The secret of a session; undefined without one, `login_required` when the keychain does not hand it out. */
  open(profile: string): Promise<string | undefined>
  write(profile: string, session: Session, place: SessionPlace): Promise<void>
  /** Removes a session; where a secret is named, only while that one is stored. */
  remove(profile: string, accessToken?: string): Promise<void>
}

// In the file: the secret itself, or the account of the keychain under which it lies.
type Entry = Omit<StoredSession, 'place'> & ({ access_token: string } | { keychain_account: string })

/** Opens nothing yet. */
export function createCredentials(directory: string, keychain: Keychain): Credentials {
  const path = join(directory, 'credentials.json')

  async function read(): Promise<Record<string, Entry>> {
    const entries = Object.entries((await readJsonFile(path)) ?? {})
    return Object.fromEntries(
      entries.flatMap(([profile, value]) => {
        const entry = readEntry(value)
        return entry === undefined ? [] : [[profile, entry]]
      }),
    )
  }

  // The keychain is not asked meanwhile: it may wait for a person. Returns what was there before; where that is not
  // what was looked at, it stays.
  async function replace(
    profile: string,
    entry: Entry | undefined,
    seen?: Entry,
  ): Promise<Entry | undefined> {
    const { withFileLock } = await import('./file-lock.js')
    return await withFileLock(path, async () => {
      const { [profile]: former, ...others } = await read()
      if (seen !== undefined && !isDeepStrictEqual(seen, former)) return undefined
      const entries = entry === undefined ? others : { ...others, [profile]: entry }
      await writePrivateFile(path, `${JSON.stringify(entries, null, 2)}\n`, CONFIG_ELSEWHERE)
      return former
    }).catch((error) => {
      throw toWriteFailure(path, error, CONFIG_ELSEWHERE)
    })
  }

  // What cannot be removed is worth nothing once its account is forgotten.
  async function forget(entry: Entry | undefined): Promise<void> {
    if (entry && 'keychain_account' in entry) await keychain.remove(entry.keychain_account).catch(() => {})
  }

  async function openEntry(profile: string, entry: Entry | undefined): Promise<string | undefined> {
    if (entry === undefined || 'access_token' in entry) return entry?.access_token
    const token = await keychain.read(entry.keychain_account).catch((cause) => {
      throw new AuthsecError(
        'login_required',
        `the keychain does not hand out the session ${quote(profile)}`,
        {
          hint: 'Unlock it, or log in again with authsec login --store file.',
          cause,
        },
      )
    })
    return token
  }

  return {
    path,
    async list() {
      return Object.fromEntries(
        Object.entries(await read()).map(([profile, { server_url, expires_at, ...secret }]) => [
          profile,
          {
            server_url,
            ...(expires_at !== undefined && { expires_at }),
            place: 'access_token' in secret ? ('file' as const) : ('keychain' as const),
          },
        ]),
      )
    },
    async open(profile) {
      return await openEntry(profile, (await read())[profile])
    },
    async write(profile, { access_token, ...facts }, place) {
      const entry: Entry =
        place === 'file'
          ? { ...facts, access_token }
          : { ...facts, keychain_account: `${profile} ${crypto.randomUUID()}` }
      if ('keychain_account' in entry) await keychain.write(entry.keychain_account, access_token)
      await forget(await replace(profile, entry))
    },
    async remove(profile, accessToken) {
      const { [profile]: entry } = await read()
      if (entry === undefined) return
      if (accessToken !== undefined && (await openEntry(profile, entry)) !== accessToken) return
      await forget(await replace(profile, undefined, accessToken === undefined ? undefined : entry))
    },
  }
}

function readEntry(value: Json): Entry | undefined {
  const { access_token, keychain_account, server_url, expires_at } = isJsonObject(value) ? value : {}
  if (typeof server_url !== 'string') return undefined
  const facts = { server_url, ...(typeof expires_at === 'string' && { expires_at }) }
  if (typeof access_token === 'string') return { ...facts, access_token }
  return typeof keychain_account === 'string' ? { ...facts, keychain_account } : undefined
}
