import { rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { joinEntries } from '../../../../src/core/log-tiles.js'
import { makeDirectory, runCli } from '../../../support/run-cli.js'
import {
  createBundleFiles,
  createLogKey,
  createLogRecord,
  signRecords,
  writeFiles,
} from '../../../support/sealed-bundle.js'

const SIZE = 20
const ENTRIES = `tile/entries/000.p/${SIZE}`
const KEY = createLogKey()
const RECORDS = Array.from({ length: SIZE }, (_, index) => createLogRecord(index))
const OTHERS = RECORDS.map((_, index) => createLogRecord(index, { outcome: 'deny' }))

type Files = Map<string, Uint8Array>

/** The bundle of the log with other records in place of those that were signed. */
const store = (...records: Uint8Array[]): Files =>
  createBundleFiles(RECORDS, [KEY]).set(ENTRIES, joinEntries(records))
const flip = (bytes: Uint8Array, at: number) => bytes.map((byte, index) => (index === at ? byte ^ 1 : byte))

async function verify(files: Files, flags: readonly string[]) {
  const bundle = join(await makeDirectory(), 'bundle')
  await writeFiles(bundle, files)
  const { code, stdout } = await runCli(['audit', 'verify', bundle, '--json', ...flags])
  const { verdict, fault, proves } = JSON.parse(stdout)
  return { code, verdict, index: fault?.index ?? null, proves }
}

describe('what was done to a log is told by its verdict, its place and the exit code', () => {
  test.each([
    { what: 'nothing', files: store(...RECORDS), verdict: 'INTACT', index: null, code: 0 },
    {
      what: 'a byte flipped',
      files: store(...RECORDS.with(7, Buffer.from(flip(RECORDS[7]!, 3)))),
      verdict: 'ALTERED',
      index: 7,
      code: 18,
    },
    {
      what: 'a record deleted',
      files: store(...RECORDS.toSpliced(7, 1)),
      verdict: 'INCOMPLETE',
      index: 7,
      code: 19,
    },
    {
      what: 'a record doubled',
      files: store(...RECORDS.toSpliced(7, 0, RECORDS[7]!)),
      verdict: 'ALTERED',
      index: 8,
      code: 18,
    },
    {
      what: 'two records swapped',
      files: store(...RECORDS.with(7, RECORDS[8]!).with(8, RECORDS[7]!)),
      verdict: 'ALTERED',
      index: 7,
      code: 18,
    },
    {
      what: 'the end cut off',
      files: store(...RECORDS.slice(0, 12)),
      verdict: 'TRUNCATED',
      index: 12,
      code: 19,
    },
    { what: 'all rewritten', files: store(...OTHERS), verdict: 'ALTERED', index: 0, code: 18 },
    {
      what: 'all rewritten and signed by another key',
      files: createBundleFiles(OTHERS, [createLogKey()]),
      verdict: 'KEY',
      index: null,
      code: 18,
    },
  ])('$what: $verdict', async ({ files, verdict, index, code }) => {
    expect(await verify(files, ['--key', KEY.text])).toMatchObject({ verdict, index, code })
  })

  test('what a crash leaves of a file is never called altered', async () => {
    const cut = (path: string, files: Files = store(...RECORDS)) =>
      files.set(path, files.get(path)!.subarray(0, -5))
    const key = ['--key', KEY.text]
    expect(await verify(cut(`tile/0/000.p/${SIZE}`), key)).toMatchObject({ verdict: 'INTACT', code: 0 })
    expect(await verify(cut('checkpoint'), key)).toMatchObject({ verdict: 'INCOMPLETE', code: 19 })
    expect(await verify(cut(ENTRIES), key)).toMatchObject({ verdict: 'INCOMPLETE', code: 19 })
  })

  test.each([
    { where: 'in the last file', files: store(...RECORDS, ...OTHERS.slice(0, 2)), behind: 2 },
    {
      where: 'in a further file',
      files: store(...RECORDS).set('tile/entries/001', joinEntries(OTHERS.slice(0, 2))),
      behind: 258 - SIZE,
    },
    {
      where: 'in a longer file beside it',
      files: store(...RECORDS).set('tile/entries/000.p/21', joinEntries([...RECORDS, OTHERS[0]!])),
      behind: 1,
    },
  ])('what lies behind the head, $where, is told and counts for nothing', async ({ files, behind }) => {
    const bundle = join(await makeDirectory(), 'bundle')
    await writeFiles(bundle, files)
    const { code, stdout } = await runCli(['audit', 'verify', bundle, '--key', KEY.text])
    expect(code).toBe(0)
    expect(stdout).toMatch(new RegExp(`\ntail {6}${behind} records after the checkpoint\n`))
    expect(stdout).toMatch(/\nwarning {3}the \d+ records after the checkpoint are not signed/)
  })

  test('a head that was edited is refused by its name, and accuses nobody', async () => {
    const head = join(await makeDirectory(), 'head.txt')
    const bundle = join(await makeDirectory(), 'bundle')
    await writeFiles(bundle, store(...RECORDS))
    await writeFile(head, signRecords(RECORDS, [KEY]).replace(`\n${SIZE}\n`, '\n999\n'))
    const args = ['audit', 'verify', bundle, '--key', KEY.text, '--checkpoint', head]
    const edited = await runCli(args)
    expect(edited).toMatchObject({ code: 2, stdout: '' })
    expect(edited.stderr).toContain(`the checkpoint "${head}" is not as it was signed`)

    await writeFile(head, signRecords(RECORDS.slice(0, 9), [createLogKey()]))
    const foreign = await runCli(args)
    expect(foreign).toMatchObject({ code: 19, stdout: expect.stringContaining('\nINTACT  ') })
    expect(foreign.stderr).toContain(`${head} is signed by no key that is known of this log`)
  })

  test('the copy of yesterday is told from an anchor of today, and from nothing else', async () => {
    const yesterday = createBundleFiles(RECORDS.slice(0, 12), [KEY])
    const head = join(await makeDirectory(), 'head.txt')
    await writeFile(head, signRecords(RECORDS, [KEY]))
    const told = await verify(yesterday, ['--key', KEY.text, '--checkpoint', head])
    expect(told).toMatchObject({ verdict: 'TRUNCATED', code: 19 })
    expect(await verify(yesterday, ['--key', KEY.text])).toMatchObject({ verdict: 'INTACT', code: 0 })
    expect(await verify(yesterday, ['--key', KEY.text, '--require', 'anchored'])).toMatchObject({ code: 19 })
  })

  test('who has the key can rewrite everything: an anchor tells, and without one the words say what is not proven', async () => {
    const rewritten = createBundleFiles(OTHERS, [KEY])
    const head = join(await makeDirectory(), 'head.txt')
    await writeFile(head, signRecords(RECORDS, [KEY]))
    expect(await verify(rewritten, ['--key', KEY.text, '--checkpoint', head])).toMatchObject({
      verdict: 'FORKED',
      code: 18,
    })
    const { verdict, proves } = await verify(rewritten, ['--key', KEY.text])
    expect({ verdict, proves }).toEqual({
      verdict: 'INTACT',
      proves: 'nothing up to there was changed, removed or added by anybody without that key',
    })
    const unknown = await verify(createBundleFiles(OTHERS, [createLogKey()]), [])
    expect(unknown).toMatchObject({
      ...{ verdict: 'LINKED', code: 19 },
      proves: 'nothing was changed by accident; whoever can write the log could have written all of it anew',
    })
  })
})

test('a file in the place of a directory is as good as nothing in it', async () => {
  const bundle = join(await makeDirectory(), 'bundle')
  await writeFiles(bundle, createBundleFiles(RECORDS, [KEY]))
  await rm(join(bundle, 'tile'), { recursive: true })
  await writeFile(join(bundle, 'tile'), '')
  const { code, stdout } = await runCli(['audit', 'verify', bundle])
  expect([code, stdout]).toEqual([19, expect.stringContaining('TRUNCATED')])
})

describe.skipIf(process.platform === 'win32')('a file that never ends', () => {
  test.each([
    { file: ENTRIES, code: 19, says: 'TRUNCATED' },
    { file: `tile/0/000.p/${SIZE}`, code: 18, says: 'ALTERED' },
    { file: 'keys', code: 19, says: 'LINKED' },
    { file: 'checkpoint', code: 19, says: 'checkpoint' },
  ])('in the place of $file is read no further than one may be long', async ({ file, code, says }) => {
    const bundle = join(await makeDirectory(), 'bundle')
    await writeFiles(bundle, createBundleFiles(RECORDS, [KEY]))
    await rm(join(bundle, file))
    await symlink('/dev/zero', join(bundle, file))
    const run = await runCli(['audit', 'verify', bundle])
    expect([run.code, `${run.stdout}${run.stderr}`]).toEqual([code, expect.stringContaining(says)])
  })
})
