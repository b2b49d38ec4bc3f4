import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'

// biome-ignore lint/suspicious/noExplicitAny: a line is whatever the snapshot holds; the tests look closer.
export type Line = any

/** The lines of a snapshot, the first and the last included. */
export async function readSnapshot(path: string): Promise<Line[]> {
  const text = await readFile(path, 'utf8')
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

/** Writes lines as a snapshot that is whole: its last line says what stands before it. */
export async function writeSnapshot(path: string, lines: readonly Line[]): Promise<void> {
  const body = lines.filter((line) => line.end === undefined)
  const text = body.map((line) => `${JSON.stringify(line)}\n`).join('')
  const rows: Record<string, number> = {}
  for (const { table } of body) if (table !== undefined) rows[table] = (rows[table] ?? 0) + 1
  const files = body.filter(({ file }) => file !== undefined).length
  const { log } = lines.at(-1).end
  const end = { rows, files, log, sha256: createHash('sha256').update(text).digest('hex') }
  await writeFile(path, `${text}${JSON.stringify({ end })}\n`)
}
