import { decodeBase64, encodeBase64 } from './base64.js'
import { AuthsecError } from './errors.js'
import { parseTilePath } from './log-tiles.js'
import { isJsonObject, type Json, type JsonObject } from './strict-json.js'

/** The media type of a snapshot: JSON Lines. */
export const SNAPSHOT_TYPE = 'application/jsonl'

/** The first line of a snapshot: what it is, and of what. */
export interface SnapshotHeader {
  /** The version of the format. */
  authsec_snapshot: 1
  /** The version of the tables that the rows are for. */
  schema: number
  /** Whether the keys and the audit log are in it too. */
  clone: boolean
  /** RFC 3339. */
  created_at: string
  tenant_id: string
  issuer: string
  /** The key-encryption key under which lies what is sealed. */
  kek: { version: number; fingerprint: string }
}

/** How far an audit log was signed. */
export interface SignedLog {
  /** `authsec/<random log id>`. */
  origin: string
  /** How many of its records were signed. */
  size: number
  /** The hash over them, in base64. */
  root: string
}

/** The last line: what has to stand before it. */
export interface SnapshotEnd {
  /** How many rows of each table. */
  rows: Readonly<Record<string, number>>
  /** How many files of the audit log. */
  files: number
  /** The log of the state that it was taken of. */
  log: SignedLog
  /** Of every byte before this line, in hexadecimal. */
  sha256: string
}

type Value = string | number | bigint | Uint8Array | null

/** What stands between the first line and the last. */
export type SnapshotItem =
  | { table: string; row: Readonly<Record<string, Value>> }
  | { file: string; content: Uint8Array }

export type SnapshotLine = { header: SnapshotHeader } | SnapshotItem | { end: SnapshotEnd }

/** Writes one line, without its end. Bytes are told apart from text as `{"base64": …}`. */
export function formatSnapshotLine(line: SnapshotLine): string {
  if ('header' in line) return JSON.stringify(line.header)
  if ('end' in line) return JSON.stringify({ end: line.end })
  if ('file' in line) return JSON.stringify({ file: line.file, base64: encodeBase64(line.content) })
  const values = Object.entries(line.row).map(([name, value]) => [name, formatValue(value)])
  return JSON.stringify({ table: line.table, row: Object.fromEntries(values) })
}

function formatValue(value: Value): Json {
  if (value instanceof Uint8Array) return { base64: encodeBase64(value) }
  return typeof value === 'bigint' ? Number(value) : value
}

/** Reads one line; undefined for what is none. Throws `state_newer` for the first line of another format. */
export function parseSnapshotLine(text: string): SnapshotLine | undefined {
  const line = parseObject(text)
  if (line === undefined) return undefined
  if ('authsec_snapshot' in line) return parseHeader(line)
  if ('end' in line) return parseEnd(line['end'])
  if ('file' in line) return parseFile(line)
  return parseRow(line)
}

function parseObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isJsonObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function parseHeader(line: JsonObject): { header: SnapshotHeader } | undefined {
  const { authsec_snapshot: format, schema, clone, created_at, tenant_id, issuer, kek } = line
  if (typeof format === 'number' && format > 1) {
    throw new AuthsecError('state_newer', `the snapshot has format ${format}, this version knows 1`, {
      hint: 'Upgrade authsec. Nothing has been changed.',
    })
  }
  const { version, fingerprint } = isJsonObject(kek) ? kek : {}
  if (
    format !== 1 ||
    !isCount(schema) ||
    typeof clone !== 'boolean' ||
    typeof created_at !== 'string' ||
    typeof tenant_id !== 'string' ||
    typeof issuer !== 'string' ||
    !isCount(version) ||
    typeof fingerprint !== 'string'
  ) {
    return undefined
  }
  const header = { schema, clone, created_at, tenant_id, issuer, kek: { version, fingerprint } }
  return { header: { authsec_snapshot: 1, ...header } }
}

function parseEnd(end: Json | undefined): { end: SnapshotEnd } | undefined {
  if (!isJsonObject(end)) return undefined
  const { rows, files, log, sha256 } = end
  const { origin, size, root } = isJsonObject(log) ? log : {}
  if (!isJsonObject(rows) || !Object.values(rows).every(isCount) || !isCount(files)) return undefined
  if (typeof origin !== 'string' || !isCount(size) || typeof root !== 'string') return undefined
  if (typeof sha256 !== 'string') return undefined
  return { end: { rows: rows as Record<string, number>, files, log: { origin, size, root }, sha256 } }
}

// A name that is none of a log could lead anywhere.
function parseFile({ file, base64 }: JsonObject): SnapshotItem | undefined {
  if (typeof file !== 'string' || typeof base64 !== 'string') return undefined
  if (file !== 'checkpoint' && file !== 'keys' && parseTilePath(file) === undefined) return undefined
  const content = decodeBase64(base64)
  return content && { file, content }
}

function parseRow({ table, row }: JsonObject): SnapshotItem | undefined {
  if (typeof table !== 'string' || !isJsonObject(row)) return undefined
  const values = Object.entries(row).map(([name, value]) => [name, parseValue(value)] as const)
  if (values.some(([, value]) => value === undefined)) return undefined
  return { table, row: Object.fromEntries(values) as Record<string, Value> }
}

function parseValue(value: Json | undefined): Value | undefined {
  if (value === null || typeof value === 'string' || typeof value === 'number') return value
  const { base64 } = isJsonObject(value) ? value : {}
  return typeof base64 === 'string' ? decodeBase64(base64) : undefined
}

function isCount(value: Json | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
