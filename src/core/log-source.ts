import type { ReadTile } from './log-faults.js'
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

/** Reads the file `keys`; what is not as it should be is as good as not there, because nothing in it is believed. */
export function readLogKeys(text: string | undefined): LogKeys {
  const { verifier_key, handovers } = parseObject(text)
  return {
    verifierKey: typeof verifier_key === 'string' ? verifier_key : undefined,
    handovers: Array.isArray(handovers) ? handovers.filter((note) => typeof note === 'string') : [],
  }
}

/** Writes the file `keys`. */
export function formatLogKeys({ verifierKey, handovers }: LogKeys): string {
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
