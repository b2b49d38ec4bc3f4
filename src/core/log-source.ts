import type { ReadTile } from './log-faults.js'
import { countTileLevels, formatTilePath, listTiles } from './log-tiles.js'
import { isJsonObject } from './strict-json.js'

/** The key by which a log says it is signed, and the checkpoints by which older keys vouch for newer ones. */
export interface LogKeys {
  verifierKey: string | undefined
  handovers: readonly string[]
}

/** The files of a log, wherever they lie: in a bundle, or at a server. */
export interface LogSource {
  /** Undefined where there is none. */
  readCheckpoint(): Promise<string | undefined>
  readTile: ReadTile
  readKeys(): Promise<LogKeys>
}

/** One file of a log in the layout of C2SP tlog-tiles. */
export interface LogFile {
  file: string
  content: Uint8Array
}

const utf8 = new TextEncoder()

/** The files of a log as far as a checkpoint covers it. What is gone at the source is gone here too. */
export async function* readLogFiles(
  source: Pick<LogSource, 'readTile' | 'readKeys'>,
  head: { note: string; size: number },
): AsyncGenerator<LogFile> {
  const levels = Array.from({ length: countTileLevels(head.size) }, (_, level) => level)
  for (const tile of [
    ...listTiles('entries', head.size),
    ...levels.flatMap((level) => listTiles(level, head.size)),
  ]) {
    const content = await source.readTile(tile)
    if (content !== undefined) yield { file: formatTilePath(tile), content }
  }
  yield { file: 'keys', content: utf8.encode(formatLogKeys(await source.readKeys())) }
  yield { file: 'checkpoint', content: utf8.encode(head.note) }
}

/** Reads the file `keys`; what is not as it should be is as good as not there, because nothing in it is believed. */
export function readLogKeys(text: string | undefined): LogKeys {
  const { verifier_key, handovers } = parseObject(text)
  return {
    verifierKey: typeof verifier_key === 'string' ? verifier_key : undefined,
    handovers: Array.isArray(handovers) ? handovers.filter((note) => typeof note === 'string') : [],
  }
}

/** Writes the file `keys`. */
function formatLogKeys({ verifierKey, handovers }: LogKeys): string {
  return `${JSON.stringify({ verifier_key: verifierKey, handovers }, null, 2)}\n`
}

function parseObject(text: string | undefined): Record<string, unknown> {
  try {
    const value = JSON.parse(text ?? '{}')
    return isJsonObject(value) ? value : {}
  } catch {
    return {}
  }
}
