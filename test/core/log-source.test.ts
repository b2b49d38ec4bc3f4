import { expect, test } from 'vitest'
import { sha256, verifyEd25519 } from '../../src/cli/log-crypto.js'
import { parseCheckpoint } from '../../src/core/checkpoint.js'
import { readLogFiles, readLogKeys } from '../../src/core/log-source.js'
import { formatTilePath, type Tile } from '../../src/core/log-tiles.js'
import { judgeLog } from '../../src/core/log-verdict.js'
import { createBundleFiles, createLogKey, createLogRecord } from '../support/sealed-bundle.js'

const KEY = createLogKey()
const RECORDS = Array.from({ length: 600 }, (_, index) => createLogRecord(index))
const prune = (index: number, below: number) =>
  createLogRecord(index, { type: 'audit.pruned', details: { below } })

/** The log as it grows: each head but the first tells of what was pruned before it. */
const HEADS = [
  createBundleFiles(RECORDS, [KEY]),
  createBundleFiles([...RECORDS, prune(600, 256)], [KEY]),
  createBundleFiles([...RECORDS, prune(600, 256), ...RECORDS.slice(0, 300), prune(901, 768)], [KEY]),
]
const headOf = (files: ReadonlyMap<string, Uint8Array>) =>
  parseCheckpoint(Buffer.from(files.get('checkpoint')!).toString())

async function exportLog(gone: readonly string[], newest = HEADS[0]!) {
  const files = new Map(HEADS.flatMap((head) => [...head]))
  const source = {
    readTile: async (tile: Tile) =>
      gone.includes(formatTilePath(tile)) ? undefined : files.get(formatTilePath(tile)),
    readKeys: async () => ({ verifierKey: KEY.text, handovers: [] }),
  }
  const written = new Map<string, Uint8Array>()
  for await (const { file, content } of readLogFiles(source, headOf(HEADS[0]!), {
    readHead: async () => headOf(newest),
    checkEnd() {},
  })) {
    written.set(file, content)
  }
  return written
}

const judge = (files: ReadonlyMap<string, Uint8Array>) =>
  judgeLog({
    note: Buffer.from(files.get('checkpoint')!).toString(),
    readTile: async (tile) => files.get(formatTilePath(tile)),
    key: { key: KEY.key, source: 'the key you supplied', isPinned: true },
    handovers: readLogKeys(Buffer.from(files.get('keys')!).toString()).handovers,
    anchors: [],
    sha256,
    verify: verifyEd25519,
  })

test('what is written of a log is the log up to its head', async () => {
  const written = await exportLog([])
  expect([...written.keys()].sort()).toEqual([...HEADS[0]!.keys()].sort())
  expect(await judge(written)).toMatchObject({ verdict: 'INTACT', walk: { read: 600 } })
})

test.each([
  { pruned: 256, gone: ['tile/entries/000'], newest: HEADS[1]!, size: 601 },
  {
    pruned: 768,
    gone: ['tile/entries/000', 'tile/entries/001', 'tile/entries/002'],
    newest: HEADS[2]!,
    size: 902,
  },
])(
  'what is pruned below $pruned while a log is written is told of in what is written',
  async ({ pruned, gone, newest, size }) => {
    const written = await exportLog(gone, newest)
    expect(headOf(written).size).toBe(size)
    expect([...written.keys()].filter((file) => file.startsWith('tile/entries/')).length).toBe(
      Math.ceil(size / 256) - gone.length,
    )
    expect(await judge(written)).toMatchObject({ verdict: 'INTACT', walk: { pruned, read: size - pruned } })
  },
)
