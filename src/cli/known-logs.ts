import { join } from 'node:path'
import { isJsonObject } from '../core/strict-json.js'
import { readJsonFile } from './config.js'
import { writePrivateFile } from './private-file.js'

/** What this machine has seen of a log: an anchor against which it can be checked. */
export interface KnownLog {
  server_url: string
  /** The key that signs it, as it was first known. */
  verifier_key: string
  /** Where the key is from: the start of the server on this machine, or the first contact with it. */
  source: 'start' | 'first contact'
  /** The last checkpoint that was found good. */
  checkpoint?: string
  /** RFC 3339. */
  seen_at: string
}

/** The file `audit-logs.json` in the configuration directory, keyed by the origin of the log. */
export interface KnownLogs {
  readonly path: string
  /** Throws `configuration` for a file that cannot be read. */
  find(origin: string): Promise<KnownLog | undefined>
  /** The log that a server had when it was seen last. */
  findLast(serverUrl: string): Promise<(KnownLog & { origin: string }) | undefined>
  keep(origin: string, log: KnownLog): Promise<void>
}

// Servers in memory have a new log at every start.
const MAX_LOGS = 500

/** Opens nothing yet. */
export function createKnownLogs(directory: string): KnownLogs {
  const path = join(directory, 'audit-logs.json')

  async function read(): Promise<[string, KnownLog][]> {
    return Object.entries((await readJsonFile(path)) ?? {}).flatMap(([origin, value]) => {
      const log = readKnownLog(value)
      return log === undefined ? [] : [[origin, log]]
    })
  }

  return {
    path,
    find: async (origin) => (await read()).find(([name]) => name === origin)?.[1],
    async findLast(serverUrl) {
      const [last] = (await read())
        .filter(([, { server_url }]) => server_url === serverUrl)
        .sort(([, one], [, other]) => (one.seen_at < other.seen_at ? 1 : -1))
      return last && { origin: last[0], ...last[1] }
    },
    async keep(origin, log) {
      const others = (await read()).filter(([name]) => name !== origin)
      const logs = Object.fromEntries([...others, [origin, log]].slice(-MAX_LOGS))
      await writePrivateFile(path, `${JSON.stringify(logs, null, 2)}\n`)
    },
  }
}

function readKnownLog(value: unknown): KnownLog | undefined {
  const { server_url, verifier_key, source, checkpoint, seen_at } = isJsonObject(value) ? value : {}
  if (typeof server_url !== 'string' || typeof verifier_key !== 'string' || typeof seen_at !== 'string') {
    return undefined
  }
  return {
    server_url,
    verifier_key,
    source: source === 'start' ? 'start' : 'first contact',
    seen_at,
    ...(typeof checkpoint === 'string' && { checkpoint }),
  }
}
