import { join } from 'node:path'
import { type Checkpoint, parseCheckpoint, parseVerifierKey } from '../core/checkpoint.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { isJsonObject } from '../core/strict-json.js'
import { CONFIG_ELSEWHERE, readJsonFile } from './config.js'
import type { Context } from './context.js'
import { withFileLock } from './file-lock.js'
import { sha256 } from './log-crypto.js'
import { writePrivateFile } from './private-file.js'
import { toWriteFailure } from './write-failure.js'

/** What this machine has seen of a log: an anchor against which it can be checked. */
export interface KnownLog {
  /** The key that signs it, as it was first known, or as the log has proven that it took over from that one. */
  verifier_key: string
  /**
   * Where the first key is from: the start of the server on this machine, a person who gave it, or the first contact,
   * which is the word of the log itself.
   */
  source: 'start' | 'given' | 'first contact'
  /** The last checkpoint that was found good. */
  checkpoint?: string
  /** The servers that a command has met it at, and when it did last, in RFC 3339. */
  servers: Readonly<Record<string, string>>
}

/** What is known of logs at one moment. */
export interface SeenLogs {
  find(origin: string): KnownLog | undefined
  /** The log that a server had when a command met it last. */
  findLast(serverUrl: string): (KnownLog & { origin: string }) | undefined
  /** The last checkpoint of each log. */
  readonly heads: readonly Checkpoint[]
}

/** The file `audit-logs.json` in the configuration directory, keyed by the origin of the log. */
export interface KnownLogs {
  readonly path: string
  /** Throws `configuration` for a file that cannot be read, or holds what is no key or no checkpoint. */
  read(): Promise<SeenLogs>
  /** Changes what is known of a log: given what that is then, whatever other commands have kept meanwhile. */
  update(origin: string, change: (current: KnownLog | undefined) => KnownLog): Promise<void>
}

const SOURCES: readonly unknown[] = ['start', 'given', 'first contact'] satisfies KnownLog['source'][]
// Servers in memory have a new log at every start.
const MAX_LOGS = 500

/** Opens nothing yet. */
export function openKnownLogs({ environment }: Context): KnownLogs {
  const path = join(environment.configDirectory, 'audit-logs.json')

  async function readAll(): Promise<[string, KnownLog][]> {
    return Object.entries((await readJsonFile(path)) ?? {}).map(([origin, written]) => {
      const value = toPresentForm(written)
      if (isKnownLog(value)) return [origin, value]
      // What cannot be read is no reason to trust the next best instead.
      throw new AuthsecError(
        'configuration',
        `what is known of the log ${quote(origin, 100)} in ${quote(path, 200)} is damaged`,
        { hint: 'Repair the file, or remove the log from it: it is then met as for the first time.' },
      )
    })
  }

  return {
    path,
    async read() {
      const logs = await readAll()
      return {
        find: (origin) => logs.find(([name]) => name === origin)?.[1],
        findLast(serverUrl) {
          const seenAt = ([, { servers }]: [string, KnownLog]) => servers[serverUrl] ?? ''
          const [last] = logs.filter(seenAt).sort((one, other) => (seenAt(one) < seenAt(other) ? 1 : -1))
          return last && { origin: last[0], ...last[1] }
        },
        heads: logs.flatMap(([, { checkpoint }]) =>
          checkpoint === undefined ? [] : [parseCheckpoint(checkpoint)],
        ),
      }
    },
    async update(origin, change) {
      await withFileLock(path, async () => {
        const all = await readAll()
        const others = all.filter(([name]) => name !== origin)
        const changed = change(all.find(([name]) => name === origin)?.[1])
        const logs = Object.fromEntries([...others, [origin, changed]].slice(-MAX_LOGS))
        await writePrivateFile(path, `${JSON.stringify(logs, null, 2)}\n`, CONFIG_ELSEWHERE)
      }).catch((error) => {
        throw toWriteFailure(path, error, CONFIG_ELSEWHERE)
      })
    },
  }
}

// The first version kept one server for each log.
function toPresentForm(value: unknown): unknown {
  if (!isJsonObject(value) || value['servers'] !== undefined) return value
  const { server_url, seen_at, ...log } = value
  return { ...log, servers: { [String(server_url)]: seen_at } }
}

function isKnownLog(value: unknown): value is KnownLog {
  const { verifier_key, source, checkpoint, servers } = isJsonObject(value) ? value : {}
  return (
    typeof verifier_key === 'string' &&
    canBeRead(() => parseVerifierKey(verifier_key, sha256)) &&
    SOURCES.includes(source) &&
    (checkpoint === undefined ||
      (typeof checkpoint === 'string' && canBeRead(() => parseCheckpoint(checkpoint)))) &&
    isJsonObject(servers) &&
    Object.values(servers).every((seenAt) => typeof seenAt === 'string')
  )
}

function canBeRead(read: () => unknown): boolean {
  try {
    read()
    return true
  } catch (error) {
    if (AuthsecError.is(error)) return false
    throw error
  }
}
