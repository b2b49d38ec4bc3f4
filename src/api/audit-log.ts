import { parseCheckpoint } from '../core/checkpoint.js'
import { AuthsecError } from '../core/errors.js'
import { type LogSource, readLogKeys } from '../core/log-source.js'
import { formatTilePath } from '../core/log-tiles.js'
import { unexpected } from './answer.js'
import { type ApiTarget, downloadFile } from './http.js'

const utf8 = new TextDecoder()
const MAX_TRIES = 20

/**
 * The log of a server, read as its files. What has to be waited for because of a limit is waited for, with `sleep` in
 * milliseconds. The records need the session of an admin.
 */
export function openLiveLog(target: ApiTarget, sleep: (ms: number) => Promise<void>): LogSource {
  async function read(
    path: string,
    type: string,
    session: 'required' | 'never' = 'never',
  ): Promise<Uint8Array | undefined> {
    for (let tries = 1; ; tries++) {
      try {
        return await downloadFile(target, { method: 'GET', path: `/audit/log/${path}`, session }, type)
      } catch (error) {
        if (AuthsecError.is(error, 'not_found')) return undefined
        if (!AuthsecError.is(error, 'rate_limited') || tries === MAX_TRIES) throw error
        await sleep(error.retryAfterMs ?? 1_000)
      }
    }
  }

  return {
    async readCheckpoint() {
      const bytes = await read('checkpoint', 'text/plain')
      return bytes && assertCheckpoint(utf8.decode(bytes))
    },
    readTile: (tile) =>
      read(formatTilePath(tile), 'application/octet-stream', tile.level === 'entries' ? 'required' : 'never'),
    async readKeys() {
      const bytes = await read('keys', 'application/json')
      return readLogKeys(bytes && utf8.decode(bytes))
    },
  }
}

// What is no head at all is an answer gone wrong, and nothing that was forged.
function assertCheckpoint(note: string): string {
  try {
    parseCheckpoint(note)
    return note
  } catch (error) {
    if (!AuthsecError.is(error)) throw error
    throw unexpected(error.message)
  }
}

/** The proof that an event is in the log; throws `not_found`. */
export async function fetchAuditProof(target: ApiTarget, eventId: string): Promise<string> {
  const path = `/audit/events/${encodeURIComponent(eventId)}/proof`
  return utf8.decode(await downloadFile(target, { method: 'GET', path, session: 'required' }, 'text/plain'))
}
