import { describe, expect, test } from 'vitest'
import { sha256, verifyEd25519 } from '../../src/cli/log-crypto.js'
import { parseCheckpoint } from '../../src/core/checkpoint.js'
import { readLogKeys } from '../../src/core/log-source.js'
import { formatTilePath, joinEntries, splitEntries } from '../../src/core/log-tiles.js'
import { judgeLog, type LogReport, proves, type VerdictRequest } from '../../src/core/log-verdict.js'
import { chooseSeed, countRounds, createRandom } from '../stress/rounds.js'
import {
  createBundleFiles,
  createLogKey,
  createLogRecord,
  ORIGIN,
  signRecords,
} from '../support/sealed-bundle.js'

type Files = Map<string, Uint8Array>

const SIZE = 600
const KEY = createLogKey()
const RECORDS = Array.from({ length: SIZE }, (_, index) => createLogRecord(index))
const PINNED = { key: KEY.key, source: 'the key you supplied', isPinned: true }

function judge(files: Files, request: Partial<VerdictRequest> = {}): Promise<LogReport> {
  const read = (path: string) => files.get(path)
  const text = (path: string) => (read(path) ? Buffer.from(read(path)!).toString() : undefined)
  return judgeLog({
    note: text('checkpoint'),
    readTile: async (tile) => read(formatTilePath(tile)),
    key: PINNED,
    handovers: readLogKeys(text('keys')).handovers,
    anchors: [],
    sha256,
    verify: verifyEd25519,
    ...request,
  })
}

const anchorOf = (records: readonly Uint8Array[], name = 'head.txt') => ({
  name,
  checkpoint: parseCheckpoint(signRecords(records, [KEY])),
})

/** Changes the records of one bundle, and nothing else. */
function changeEntries(files: Files, bundle: number, change: (entries: Uint8Array[]) => Uint8Array[]): Files {
  const [path = ''] = [...files.keys()].filter((name) => name.startsWith(`tile/entries/00${bundle}`))
  return new Map(files).set(path, joinEntries(change([...splitEntries(files.get(path)!).entries])))
}

const HONEST = createBundleFiles(RECORDS, [KEY])

describe('an honest log', () => {
  test('is intact, as far as it is signed by the key that is known', async () => {
    const report = await judge(HONEST)
    expect(report).toMatchObject({
      verdict: 'INTACT',
      signature: 'good',
      fault: undefined,
      firstAt: '2026-08-01T09:00:00.000Z',
      lastAt: '2026-08-01T09:09:59.000Z',
      walk: { read: SIZE, altered: 0, missing: 0, moved: 0 },
    })
    expect(report.statement).toBe(
      'everything up to 600 is what was signed by the key you supplied; later records are unknown',
    )
    expect([proves(report, 'linked'), proves(report, 'signed'), proves(report, 'anchored')]).toEqual([
      true,
      true,
      false,
    ])
  })

  test.each([1, 2, 255, 256, 257, 512])('is intact with %i records', async (size) => {
    expect(await judge(createBundleFiles(RECORDS.slice(0, size), [KEY]))).toMatchObject({ verdict: 'INTACT' })
  })

  test('is at most linked by a key that only the log itself names', async () => {
    const report = await judge(HONEST, {
      key: { ...PINNED, source: 'the key that the log names itself', isPinned: false },
    })
    expect(report.verdict).toBe('LINKED')
    expect(report.statement).not.toContain('INTACT')
    expect([proves(report, 'linked'), proves(report, 'signed'), proves(report, 'anchored')]).toEqual([
      true,
      false,
      false,
    ])
  })

  test('goes on from every head that somebody has kept', async () => {
    const anchors = [1, 256, 300, 600].map((size) => anchorOf(RECORDS.slice(0, size), `at ${size}`))
    const report = await judge(HONEST, { anchors })
    expect(report.anchors.map(({ name }) => name)).toEqual(['at 1', 'at 256', 'at 300', 'at 600'])
    expect(proves(report, 'anchored')).toBe(true)
  })

  test('is not held against the head of another log', async () => {
    const other = parseCheckpoint(
      signRecords(RECORDS.slice(0, 9), [createLogKey('authsec/other')], 'authsec/other'),
    )
    // Another head that it does go on from says nothing in its place.
    const report = await judge(HONEST, {
      anchors: [{ name: 'other.txt', checkpoint: other }, anchorOf(RECORDS.slice(0, 300), 'last contact')],
    })
    expect(report).toMatchObject({ verdict: 'INTACT', anchors: [{ name: 'last contact' }] })
    expect(report.undecided).toEqual([
      `other.txt is of another log (authsec/other), so it says nothing about ${ORIGIN}`,
    ])
    expect([proves(report, 'linked'), proves(report, 'signed'), proves(report, 'anchored')]).toEqual([
      false,
      false,
      false,
    ])
  })

  test('tells of clocks that stepped back, by how much and where', async () => {
    const step = (index: number, details: object) =>
      createLogRecord(index, { type: 'clock.stepped', details })
    const stepped = [...RECORDS.slice(0, 8), step(8, { seconds: -2.1 }), step(9, { seconds: 'x' })]
    const warningsOf = async (records: Uint8Array[]) =>
      (await judge(createBundleFiles(records, [KEY]))).warnings
    expect(await warningsOf(stepped)).toEqual([
      'the clock of the server stepped back 2 times: -2.1 s at 8, at 9',
    ])
    const often = [1, 2, 3, 4, 5].map((index) => step(index, { seconds: -index }))
    expect(await warningsOf([RECORDS[0]!, ...often])).toEqual([
      'the clock of the server stepped back 5 times: -1 s at 1, -2 s at 2, -3 s at 3 and later',
    ])
  })
})

describe('a record', () => {
  test('that is changed lies between others that are good, as far as the next that is not', async () => {
    const change = (files: Files, bundle: number, ...at: number[]) =>
      changeEntries(files, bundle, (entries) =>
        entries.map((entry, index) => (at.includes(index) ? RECORDS[599]! : entry)),
      )
    const goodAfter = async (files: Files) => (await judge(files)).fault?.goodAfter
    expect(await goodAfter(change(HONEST, 0, 7, 8, 9, 20))).toEqual([10, 19])
    expect(await goodAfter(change(change(HONEST, 0, 255), 1, 0, 44))).toEqual([257, 299])
    expect(await goodAfter(change(change(HONEST, 0, 7), 2, 0))).toEqual([8, 511])
    // Where the hashes of the records are gone as well, nothing tells what they were.
    const blind = new Map(change(HONEST, 0, 7))
    for (const path of blind.keys()) if (path.startsWith('tile/0/')) blind.delete(path)
    expect(await goodAfter(blind)).toBeUndefined()
  })

  test.each([0, 1, 255, 256, 511, 599])('that is changed in any byte is found: %i', async (index) => {
    const bundle = Math.floor(index / 256)
    const files = changeEntries(HONEST, bundle, (entries) => {
      const changed = Uint8Array.from(entries[index % 256]!)
      changed[index % changed.length]! ^= 1
      return entries.with(index % 256, changed)
    })
    const report = await judge(files)
    expect(report).toMatchObject({
      verdict: 'ALTERED',
      fault: { kind: 'altered', index, good: index },
      walk: { altered: 1, missing: 0, moved: 0 },
    })
    expect(report.fault?.goodAfter).toEqual(index === 599 ? undefined : [index + 1, 599])
    expect(report.fault?.expected).not.toBe(report.fault?.actual)
    expect(proves(report, 'linked')).toBe(false)
  })

  test.each([
    {
      what: 'repeated in the place of another',
      change: (entries: Uint8Array[]) => entries.with(7, entries[3]!),
      expected: { verdict: 'ALTERED', fault: { kind: 'repeated', index: 7 } },
    },
    {
      what: 'swapped with another',
      change: (entries: Uint8Array[]) => entries.with(7, entries[30]!).with(30, entries[7]!),
      expected: { verdict: 'ALTERED', fault: { kind: 'moved', index: 7 }, walk: { moved: 2, altered: 0 } },
    },
    {
      what: 'taken out, and its place left empty',
      change: (entries: Uint8Array[]) => entries.with(7, new Uint8Array()),
      expected: {
        verdict: 'INCOMPLETE',
        fault: { kind: 'missing', index: 7, good: 7 },
        walk: { missing: 1 },
        warnings: [],
      },
    },
    {
      what: 'taken out, and all others moved up',
      change: (entries: Uint8Array[]) => entries.toSpliced(7, 1),
      expected: {
        verdict: 'INCOMPLETE',
        fault: { kind: 'missing', index: 7, good: 7 },
        walk: { altered: 0 },
      },
    },
    {
      what: 'put in, and all others moved down',
      change: (entries: Uint8Array[]) => entries.toSpliced(7, 0, createLogRecord(9_999)),
      expected: { verdict: 'ALTERED', fault: { kind: 'altered', index: 7, good: 7 } },
    },
  ])('that is $what is found', async ({ change, expected }) => {
    expect(await judge(changeEntries(HONEST, 1, change))).toMatchObject({
      ...expected,
      fault: Object.fromEntries(
        Object.entries(expected.fault).map(([name, value]) => [
          name,
          typeof value === 'number' ? value + 256 : value,
        ]),
      ),
    })
  })

  test('that is changed together with its tile is found as closely as the signed root allows', async () => {
    const changed = RECORDS.with(300, createLogRecord(300, { type: 'policy.deleted' }))
    const files = new Map(createBundleFiles(changed, [KEY])).set('checkpoint', HONEST.get('checkpoint')!)
    // The tiles above still tell in which stretch it is.
    files.set('tile/1/000.p/2', HONEST.get('tile/1/000.p/2')!)
    expect(await judge(files)).toMatchObject({
      verdict: 'ALTERED',
      fault: { kind: 'root', index: 256, good: 256 },
    })
  })
})

describe('a log', () => {
  test('that was written anew from the start is not what was signed', async () => {
    const other = createBundleFiles(RECORDS.with(3, createLogRecord(3, { type: 'x' })), [KEY])
    const files = new Map(other).set('checkpoint', HONEST.get('checkpoint')!)
    expect(await judge(files)).toMatchObject({ verdict: 'ALTERED', fault: { kind: 'root', good: 0 } })
  })

  test('that was written anew with a new key is found by the key, and without one by an anchor alone', async () => {
    const thief = createLogKey()
    const files = createBundleFiles(RECORDS.with(3, createLogRecord(3, { type: 'x' })), [thief])
    expect(await judge(files)).toMatchObject({ verdict: 'KEY', signature: 'unknown key' })
    const told = { key: thief.key, source: 'the key that the log names itself', isPinned: false }
    expect(await judge(files, { key: told })).toMatchObject({ verdict: 'LINKED' })
    const anchors = [anchorOf(RECORDS.slice(0, 400))]
    expect(await judge(files, { key: told, anchors })).toMatchObject({
      verdict: 'FORKED',
      statement: 'at 400 this log is another one than head.txt has seen',
    })
  })

  test('that is another one at the size of an anchor is a fork', async () => {
    const other = [anchorOf(RECORDS.with(3, createLogRecord(3, { type: 'x' })))]
    expect(await judge(HONEST, { anchors: other })).toMatchObject({ verdict: 'FORKED' })
  })

  test('that lacks a record is a fork of what was seen before it, and not of what was seen with it', async () => {
    const files = changeEntries(HONEST, 1, (entries) => entries.with(44, new Uint8Array()))
    const hashes = 'tile/0/001'
    files.set(hashes, HONEST.get(hashes)!.with(44 * 32, HONEST.get(hashes)![44 * 32]! ^ 1))
    const seen = (records: readonly Uint8Array[]) => judge(files, { anchors: [anchorOf(records)] })
    const other = RECORDS.with(3, createLogRecord(3, { type: 'x' }))
    expect(await seen(other.slice(0, 300))).toMatchObject({ verdict: 'FORKED' })
    expect(await seen(RECORDS.slice(0, 301))).toMatchObject({ verdict: 'INCOMPLETE' })
  })

  test('that is shorter than an anchor was rolled back', async () => {
    const yesterday = createBundleFiles(RECORDS.slice(0, 400), [KEY])
    expect(await judge(yesterday)).toMatchObject({ verdict: 'INTACT' })
    expect(await judge(yesterday, { anchors: [anchorOf(RECORDS)] })).toMatchObject({
      verdict: 'TRUNCATED',
      statement: 'head.txt has seen 600 records, this log ends at 400',
    })
  })

  test.each([599, 512, 511, 1])('whose records end at %i is truncated', async (size) => {
    const files = new Map(HONEST)
    for (const path of HONEST.keys()) if (path.startsWith('tile/entries/')) files.delete(path)
    for (let start = 0; start < size; start += 256) {
      const width = Math.min(256, SIZE - start)
      const path = formatTilePath({ level: 'entries', index: start / 256, width })
      files.set(path, joinEntries(RECORDS.slice(start, Math.min(size, start + 256))))
    }
    expect(await judge(files)).toMatchObject({
      verdict: 'TRUNCATED',
      fault: { kind: 'cut', index: size, good: size },
      walk: { read: size, missing: SIZE - size, altered: 0 },
    })
  })

  test.each([1, 2, 30])(
    'whose last bundle a crash has cut by %i bytes is incomplete, never altered',
    async (bytes) => {
      const path = 'tile/entries/002.p/88'
      const files = new Map(HONEST).set(path, HONEST.get(path)!.subarray(0, -bytes))
      const report = await judge(files)
      expect(report).toMatchObject({ verdict: 'INCOMPLETE', walk: { isTorn: true, altered: 0 } })
      expect(report.warnings).toContain(
        'the last bundle ends in the middle of a record, as a crash leaves it',
      )
    },
  )

  test.each(['tile/0/000', 'tile/0/002.p/88', 'tile/1/000.p/2'])(
    'whose hashes in %s a crash has cut off or taken is what was signed all the same',
    async (path) => {
      const cut = new Map(HONEST).set(path, HONEST.get(path)!.subarray(0, -5))
      const gone = new Map(HONEST)
      gone.delete(path)
      for (const files of [cut, gone, new Map(HONEST).set(path, new Uint8Array())]) {
        expect(await judge(files)).toMatchObject({
          verdict: 'INTACT',
          fault: undefined,
          warnings: [`the hashes in ${path} are cut off or gone, as a crash leaves them`],
        })
      }
    },
  )

  test('whose hashes are cut off and are other ones as well was altered', async () => {
    const path = 'tile/0/000'
    const bytes = Uint8Array.from(HONEST.get(path)!.subarray(0, -5))
    bytes[40]! ^= 1
    expect(await judge(new Map(HONEST).set(path, bytes))).toMatchObject({
      verdict: 'ALTERED',
      fault: { kind: 'tile', path },
    })
  })

  test('whose hashes are other ones beside a record that is another one is told so', async () => {
    const path = 'tile/1/000.p/2'
    const tile = new Map(HONEST).set(path, HONEST.get(path)!.with(0, HONEST.get(path)![0]! ^ 1))
    expect(await judge(tile)).toMatchObject({ verdict: 'ALTERED', fault: { kind: 'tile' }, warnings: [] })
    const both = changeEntries(tile, 1, (entries) => entries.with(7, createLogRecord(9_999)))
    expect(await judge(both)).toMatchObject({
      fault: { kind: 'altered', index: 263 },
      warnings: ['tiles of hashes are damaged as well'],
    })
  })

  test('whose checkpoint a crash has cut off at any place is incomplete, never unsigned', async () => {
    const note = HONEST.get('checkpoint')!
    for (let length = 0; length < note.length; length++) {
      const report = await judge(new Map(HONEST).set('checkpoint', note.subarray(0, length)))
      expect(report.verdict, `${length}`).toBe('INCOMPLETE')
    }
  })

  test('whose checkpoint is whole and cannot be read is unsigned', async () => {
    const note = Buffer.from(HONEST.get('checkpoint')!)
      .toString()
      .replace(/\n600\n/, '\n')
    expect(await judge(HONEST, { note })).toMatchObject({ verdict: 'UNSIGNED', checkpoint: undefined })
  })

  test('tells how many records lie behind the head, which nobody has signed', async () => {
    expect(await judge(HONEST)).toMatchObject({ behind: 0 })
    const more = changeEntries(HONEST, 2, (entries) => [
      ...entries,
      createLogRecord(600),
      createLogRecord(601),
    ])
    const report = await judge(more)
    expect(report).toMatchObject({ verdict: 'INTACT', behind: 2, walk: { read: SIZE } })
    expect(report.warnings.join()).toContain('the 2 records after the checkpoint are not signed')
    expect(await judge(HONEST, { countBehind: async (size) => 1_000 - size })).toMatchObject({ behind: 400 })
  })

  test('without a checkpoint proves nothing', async () => {
    const files = new Map(HONEST)
    files.delete('checkpoint')
    expect(await judge(files)).toMatchObject({ verdict: 'INCOMPLETE', checkpoint: undefined })
  })

  test('may have lost what it says itself that it has pruned', async () => {
    const pruning = [
      ...RECORDS.slice(0, 599),
      createLogRecord(599, { type: 'audit.pruned', details: { below: 300 } }),
    ]
    const whole = createBundleFiles(pruning, [KEY])
    const files = changeEntries(whole, 1, (entries) =>
      entries.map((entry, at) => (at + 256 < 300 ? new Uint8Array() : entry)),
    )
    files.delete('tile/entries/000')
    expect(await judge(files)).toMatchObject({ verdict: 'INTACT', walk: { pruned: 300, missing: 0 } })

    const more = changeEntries(files, 1, (entries) => entries.with(44, new Uint8Array()))
    expect(await judge(more)).toMatchObject({ verdict: 'INCOMPLETE', fault: { kind: 'missing', index: 300 } })

    // Behind records that are there nothing is pruned.
    const hole = changeEntries(whole, 1, (entries) => entries.with(0, new Uint8Array()))
    expect(await judge(hole)).toMatchObject({
      verdict: 'INCOMPLETE',
      fault: { kind: 'missing', index: 256 },
      walk: { pruned: 0 },
    })
  })
})

describe('a head of a size that no log has', () => {
  test('ends in an error, and not in a walk without end', async () => {
    const note = signRecords(RECORDS, [KEY]).replace('\n600\n', `\n${Number.MAX_SAFE_INTEGER}\n`)
    await expect(judge(HONEST, { note })).rejects.toMatchObject({
      code: 'audit_incomplete',
      message: 'the records end at 512, and the head says 9007199254740991',
    })
  })
})

describe('a log that prunes records while it is walked through', () => {
  const pruned = (index: number, below: number) =>
    createLogRecord(index, { type: 'audit.pruned', details: { below } })
  const later = [...RECORDS, ...[600, 601].map((index) => createLogRecord(index)), pruned(602, 256)]
  const grown = createBundleFiles(later, [KEY])
  const files = new Map([...HONEST, ...grown]).set('checkpoint', HONEST.get('checkpoint')!)
  files.delete('tile/entries/000')
  const noteOf = (of: Files) => Buffer.from(of.get('checkpoint')!).toString()

  test('is intact up to the head that tells of it', async () => {
    const report = await judge(files, { readNote: async () => noteOf(grown) })
    expect(report).toMatchObject({
      verdict: 'INTACT',
      checkpoint: { size: 603 },
      walk: { pruned: 256, missing: 0, read: 603 - 256 },
    })
  })

  test('is followed from head to head as far as it is pruned on', async () => {
    const newest = [...later, ...RECORDS.slice(0, 200), pruned(803, 512)]
    const last = createBundleFiles(newest, [KEY])
    const all = new Map([...files, ...last]).set('checkpoint', HONEST.get('checkpoint')!)
    for (const path of ['tile/entries/000', 'tile/entries/001']) all.delete(path)
    const notes = [noteOf(grown), noteOf(last)]
    const report = await judge(all, { readNote: async () => notes.shift() })
    expect(report).toMatchObject({ verdict: 'INTACT', checkpoint: { size: 804 }, walk: { pruned: 512 } })
  })

  test.each([
    { what: 'does not go on', readNote: async () => noteOf(HONEST) },
    { what: 'has no head any more', readNote: async () => undefined },
    { what: 'is another one', readNote: async () => noteOf(grown).replace(ORIGIN, 'authsec/other') },
  ])('is incomplete where it $what', async ({ readNote }) => {
    expect(await judge(files, { readNote })).toMatchObject({
      verdict: 'INCOMPLETE',
      fault: { kind: 'missing', index: 0 },
    })
  })

  test('is incomplete where its last records take the place of others', async () => {
    const report = await judge(
      changeEntries(files, 1, (entries) => entries.with(3, new Uint8Array())),
      {
        readNote: async () => noteOf(grown),
      },
    )
    expect(report).toMatchObject({ verdict: 'INCOMPLETE', fault: { kind: 'missing', index: 259 } })
  })

  test('lacks the hashes of what was pruned, and is not called altered', async () => {
    const damaged = new Map(files).set('tile/0/000', new Uint8Array(40))
    const report = await judge(damaged, { readNote: async () => noteOf(grown) })
    expect(report).toMatchObject({ verdict: 'INCOMPLETE', fault: { kind: 'missing' } })
  })
})

describe('a head that was kept', () => {
  const kept = signRecords(RECORDS.slice(0, 400), [KEY])
  const anchor = (note: string) => ({ name: 'head.txt', checkpoint: parseCheckpoint(note) })

  test.each([
    { what: 'root', note: kept.replace(/\n.{44}\n/, `\n${Buffer.alloc(32, 1).toString('base64')}\n`) },
    { what: 'size', note: kept.replace('\n400\n', '\n999\n') },
  ])('accuses nobody where its $what was edited', async ({ note }) => {
    const report = await judge(HONEST, { anchors: [anchor(note)] })
    expect(report).toMatchObject({ verdict: 'INTACT', anchors: [], forgedAnchors: [{ name: 'head.txt' }] })
  })

  test.each([400, 999])('proves nothing where no known key has signed it: at %i', async (size) => {
    const note = signRecords(RECORDS.slice(0, 400), [createLogKey()]).replace('\n400\n', `\n${size}\n`)
    const report = await judge(HONEST, { anchors: [anchor(note)] })
    expect(report).toMatchObject({ verdict: 'INTACT', anchors: [] })
    expect(report.undecided.join()).toContain('head.txt is signed by no key that is known of this log')
    expect(proves(report, 'linked')).toBe(false)
  })
})

describe('any byte of any file', () => {
  const SMALL = createBundleFiles(RECORDS.slice(0, 300), [KEY])

  test('that is another one is noticed, and what is left is never called intact', async ({ annotate }) => {
    const seed = chooseSeed()
    await annotate(`seed ${seed}`)
    const random = createRandom(seed)
    const paths = [...SMALL.keys()].filter((path) => path !== 'keys')
    for (let round = 0; round < countRounds(80); round++) {
      const path = paths[Math.floor(random() * paths.length)]!
      const bytes = Uint8Array.from(SMALL.get(path)!)
      const at = Math.floor(random() * bytes.length)
      bytes[at]! ^= 1 << Math.floor(random() * 8)
      const report = await judge(new Map(SMALL).set(path, bytes))
      // What ends without the end of a line may have been cut off.
      const isEnd = at === bytes.length - 1
      const head = isEnd ? ['INCOMPLETE'] : ['UNSIGNED', 'KEY']
      const expected = path === 'checkpoint' ? head : ['ALTERED', 'INCOMPLETE', 'TRUNCATED']
      expect(expected, `${path} at ${at}`).toContain(report.verdict)
      if (path.startsWith('tile/') && !path.includes('entries')) {
        expect(report).toMatchObject({ verdict: 'ALTERED', fault: { kind: 'tile', path } })
      }
    }
  })
})

describe('a key that takes over', () => {
  const next = createLogKey()
  const announced = [
    ...RECORDS.slice(0, 300),
    createLogRecord(300, { type: 'key.activated', details: { verifier_keys: [next.text] } }),
    ...RECORDS.slice(301, 400),
  ]
  const handover = signRecords(announced.slice(0, 350), [next, KEY])
  const files = createBundleFiles(announced, [next], [handover])

  test('is believed where the one before has signed what names it', async () => {
    expect(await judge(files)).toMatchObject({ verdict: 'INTACT', signature: 'handed over' })
  })

  test.each([
    { what: 'nothing vouches for it', handovers: [] },
    { what: 'the old key has not signed', handovers: [signRecords(announced.slice(0, 350), [next])] },
    { what: 'the new key has not signed', handovers: [signRecords(announced.slice(0, 350), [KEY])] },
    {
      what: 'what was signed does not name it yet',
      handovers: [signRecords(announced.slice(0, 300), [next, KEY])],
    },
    { what: 'what was signed is another log', handovers: [signRecords(RECORDS.slice(0, 350), [next, KEY])] },
    { what: 'the checkpoint cannot be read', handovers: ['nonsense'] },
  ])('is not believed where $what', async ({ handovers }) => {
    expect(await judge(files, { handovers })).toMatchObject({ verdict: 'KEY' })
  })
})

describe('a token', () => {
  const records = RECORDS.with(40, createLogRecord(40, { token_hash: 'abc' }))
  const files = createBundleFiles(records, [KEY])

  test('whose event is there is told where', async () => {
    const report = await judge(files, { token: { eventId: 'event-40', hash: 'abc' } })
    expect(report).toMatchObject({ verdict: 'INTACT', token: { is: 'there', index: 40 } })
  })

  test('whose event is not there was suppressed', async () => {
    const report = await judge(files, { token: { eventId: 'event-4000', hash: 'abc' } })
    expect(report).toMatchObject({ verdict: 'SUPPRESSED' })
    expect(proves(report, 'linked')).toBe(false)
  })

  test('is not the one that the record of its event names: the log is as good as before', async () => {
    expect(await judge(files, { token: { eventId: 'event-40', hash: 'other' } })).toMatchObject({
      verdict: 'INTACT',
      token: { is: 'other', index: 40 },
    })
  })

  const idAt = (time: string) =>
    `${Date.parse(time).toString(16).padStart(12, '0').replace(/^.{8}/, '$&-')}-7000-8000-000000000000`
  const judgeAt = (time: string, of: Files, request: Partial<VerdictRequest> = {}) =>
    judge(of, { token: { eventId: idAt(time), hash: 'abc' }, ...request })

  test('that is newer than a copy of the log, or as old as its last request, is not suppressed', async () => {
    for (const time of ['2026-08-01T09:09:30Z', '2026-08-01T12:00:00Z']) {
      const report = await judgeAt(time, files)
      expect(report).toMatchObject({ verdict: 'INTACT', token: { is: 'undecided' } })
      expect(report.undecided.join()).toContain('it is newer than this copy')
      expect(proves(report, 'linked')).toBe(false)
    }
    expect(await judgeAt('2026-08-01T09:08:00Z', files)).toMatchObject({ verdict: 'SUPPRESSED' })
  })

  test('that a living log does not have was suppressed, whatever its time', async () => {
    const report = await judgeAt('2026-08-01T12:00:00Z', files, { isLive: true })
    expect(report).toMatchObject({ verdict: 'SUPPRESSED' })
  })

  test('whose record may have been pruned is not suppressed', async () => {
    const pruning = records.with(599, createLogRecord(599, { type: 'audit.pruned', details: { below: 256 } }))
    const rest = createBundleFiles(pruning, [KEY])
    rest.delete('tile/entries/000')
    for (const time of ['2026-07-01T00:00:00Z', '2026-08-01T09:04:30Z']) {
      const report = await judgeAt(time, rest)
      expect(report).toMatchObject({ verdict: 'INTACT', token: { is: 'undecided' } })
      expect(report.undecided.join()).toContain('as old as the records that have been pruned')
    }
    expect(await judgeAt('2026-08-01T09:06:00Z', rest)).toMatchObject({ verdict: 'SUPPRESSED' })
  })
})

test('the origin of the samples is that of the key', () => {
  expect(KEY.key.name).toBe(ORIGIN)
})
