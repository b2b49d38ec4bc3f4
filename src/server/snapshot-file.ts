import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { isInSnapshot } from '../authority/snapshots.js'
import { AuthsecError } from '../core/errors.js'
import type { LogFile } from '../core/log-source.js'
import { quote } from '../core/printable.js'
import {
  parseSnapshotLine,
  type SnapshotEnd,
  type SnapshotHeader,
  type SnapshotItem,
  type SnapshotLine,
} from '../core/snapshot.js'
import { SCHEMA_VERSION } from '../store/migrate.js'
import type { StoredRow } from '../store/state-copy.js'

/** A snapshot that was found whole. */
export interface SnapshotFile {
  header: SnapshotHeader
  end: SnapshotEnd
  /** Its rows; throws where the file is another one by now. */
  rows(): AsyncGenerator<{ table: string; row: StoredRow }>
  /** The files of the audit log. */
  logFiles(): AsyncGenerator<LogFile>
  close(): Promise<void>
}

/** A bundle of 256 records of 32 KiB, as base64, is shorter. */
const MAX_LINE = 16 * 1024 * 1024

/**
 * Opens a snapshot and reads it from the beginning to the end before anybody relies on it. Throws `not_found`,
 * `state_newer` for one of a later version, and `state_unreadable` for one that is cut or altered.
 */
export async function openSnapshotFile(path: string): Promise<SnapshotFile> {
  const name = quote(path, 200)
  const file = await open(path, 'r').catch((cause) => {
    throw new AuthsecError('not_found', `the snapshot ${name} cannot be read (${cause.code})`, {
      hint: 'authsec dev snapshot save FILE writes one.',
      cause,
    })
  })
  const read = () => readLines(file.createReadStream({ start: 0, autoClose: false }), name)
  try {
    let header: SnapshotHeader | undefined
    let end: SnapshotEnd | undefined
    for await (const line of read()) {
      if ('header' in line) header = line.header
      if ('end' in line) end = line.end
    }
    if (header === undefined || end === undefined) throw damaged(name, 'has no end')
    return {
      header,
      end,
      async *rows() {
        for await (const line of read()) if ('table' in line) yield line
      },
      async *logFiles() {
        for await (const line of read()) if ('file' in line) yield line
      },
      close: () => file.close(),
    }
  } catch (error) {
    await file.close()
    throw error
  }
}

/** Every line, the first and the last included; throws unless all of them are there as they were written. */
async function* readLines(chunks: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<SnapshotLine> {
  const hash = createHash('sha256')
  const counts: Counts = { clone: false, rows: new Map(), files: 0 }
  let number = 0
  let end: SnapshotEnd | undefined
  for await (const text of splitLines(chunks, name)) {
    number++
    const line = end === undefined ? parseSnapshotLine(text) : undefined
    if (line === undefined || 'header' in line !== (number === 1)) {
      throw damaged(name, number === 1 ? 'is no snapshot' : `cannot be read at line ${number}`)
    }
    if ('header' in line) {
      assertKnownSchema(line.header, name)
      counts.clone = line.header.clone
    } else if ('end' in line) {
      end = line.end
      if (hash.digest('hex') !== end.sha256 || !agrees(end, counts)) throw damaged(name, 'has been altered')
    } else count(line, counts, name)
    if (end === undefined) hash.update(`${text}\n`)
    yield line
  }
  if (end === undefined) throw damaged(name, 'is cut: its last line is missing')
}

async function* splitLines(chunks: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<string> {
  const utf8 = new TextDecoder('utf-8', { fatal: true })
  let rest = ''
  for await (const chunk of chunks) {
    const lines = `${rest}${decode(chunk)}`.split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > MAX_LINE) throw damaged(name, 'has a line without an end')
    yield* lines
  }
  // Every line that was written whole has its end.
  if (rest !== '') throw damaged(name, 'is cut: its last line has no end')

  function decode(chunk: Uint8Array): string {
    try {
      return utf8.decode(chunk, { stream: true })
    } catch {
      throw damaged(name, 'is no text')
    }
  }
}

interface Counts {
  clone: boolean
  rows: Map<string, number>
  files: number
}

function count(item: SnapshotItem, counts: Counts, name: string): void {
  if ('file' in item) counts.files++
  else if (isInSnapshot(counts.clone, item.table, item.row)) {
    counts.rows.set(item.table, (counts.rows.get(item.table) ?? 0) + 1)
  } else throw damaged(name, `has a row of ${quote(item.table)}`)
}

function agrees(end: SnapshotEnd, { rows, files }: Counts): boolean {
  const names = new Set([...Object.keys(end.rows), ...rows.keys()])
  return end.files === files && [...names].every((table) => (end.rows[table] ?? 0) === (rows.get(table) ?? 0))
}

function assertKnownSchema({ schema }: SnapshotHeader, name: string): void {
  if (schema >= 1 && schema <= SCHEMA_VERSION) return
  throw new AuthsecError(
    'state_newer',
    `the snapshot ${name} has schema ${schema}, this version knows ${SCHEMA_VERSION}`,
    { hint: 'Upgrade authsec. Nothing has been changed.' },
  )
}

function damaged(name: string, what: string): AuthsecError {
  return new AuthsecError('state_unreadable', `the snapshot ${name} ${what}`, {
    hint: 'Take another one with authsec dev snapshot save. Nothing has been changed.',
  })
}
