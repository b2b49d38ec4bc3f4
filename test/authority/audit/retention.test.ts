import { beforeEach, describe, expect, test } from 'vitest'
import { sha256, verifyEd25519 } from '../../../src/authority/audit/log-key.js'
import { createRetention } from '../../../src/authority/audit/retention.js'
import { parseCheckpoint, parseVerifierKey } from '../../../src/core/checkpoint.js'
import { judgeLog } from '../../../src/core/log-verdict.js'
import { type AuthorityBench, DAY_MS, openBench, PROVENANCE } from '../../support/authority-bench.js'

const DAY_SECONDS = DAY_MS / 1000
const MINUTES_MS = 600_000

let bench: AuthorityBench
let crashes: boolean

beforeEach(async () => {
  bench = await openBench()
  crashes = false
})

async function record(count: number): Promise<void> {
  const provenance = { ...PROVENANCE, ip: '192.0.2.7', userAgent: 'agent' }
  const attempts = Array.from({ length: count }, () =>
    bench.authority.audit.attempt({ type: 'client.read' }, provenance, (attempt) => attempt.commit()),
  )
  await Promise.all(attempts)
}

function startRetention(days: number | undefined, personalDays?: number) {
  const { audit, sealing, clock } = bench.authority
  const seal = async () => {
    if (crashes) throw new Error('power cut')
    await sealing.seal()
  }
  // The process may have run for long before: that says nothing of the clock.
  let steady = 10 * MINUTES_MS
  const retention = createRetention({
    store: bench.store,
    audit,
    sealing: { seal },
    clock,
    retentionSeconds: days && days * DAY_SECONDS,
    personalSeconds: personalDays && personalDays * DAY_SECONDS,
    readSteady: () => steady,
  })
  return {
    /** Time passes, and somebody sets the clock. */
    async look(ms: number, setBy = 0) {
      steady += ms
      bench.clock.now += ms + setBy
      return await retention.upkeep()
    },
  }
}

/** Once the clock has run on for long enough. */
async function prune(days: number | undefined, personalDays?: number): Promise<void> {
  const { look } = startRetention(days, personalDays)
  await look(0)
  await look(MINUTES_MS)
}

const countPrivate = async () => {
  const { entries } = await bench.authority.audit.page({ types: ['client.read'], offset: 0, limit: 2_000 })
  return entries.filter(({ ip }) => ip !== undefined).length
}
const pruned = async () => {
  const filter = [{ field: 'type', operator: '=', value: 'audit.pruned' } as const]
  const entries = await bench.authority.audit.search({ filter, limit: 100 })
  return entries.map(({ event }) => event.details)
}

async function judge(anchors: readonly string[] = []) {
  const { publishedLog } = bench.authority
  return judgeLog({
    note: await publishedLog.checkpoint(),
    readTile: publishedLog.readTile,
    key: {
      key: parseVerifierKey(publishedLog.verifierKey, sha256),
      source: 'the key you supplied',
      isPinned: true,
    },
    handovers: [],
    anchors: anchors.map((note) => ({ name: 'an anchor', checkpoint: parseCheckpoint(note) })),
    sha256,
    verify: verifyEd25519,
  })
}

describe('the retention of the audit log', () => {
  test('takes out whole bundles that are too old, says so first, and leaves every proof', async () => {
    const { length: seeded } = await bench.events()
    await record(300)
    await bench.authority.sealing.seal()
    const early = await bench.authority.publishedLog.checkpoint()
    await record(300)
    bench.clock.now += 2 * DAY_MS
    await record(100)
    await bench.authority.sealing.seal()
    await prune(1)
    await bench.authority.sealing.seal()

    expect(await pruned()).toEqual([{ below: 512, retention_seconds: DAY_SECONDS }])
    expect(await bench.store.audit.first()).toBe(512)
    expect(await countPrivate()).toBe(seeded + 700 - 512)
    expect(await judge([early])).toMatchObject({
      verdict: 'INTACT',
      anchors: [{ name: 'an anchor' }],
      walk: { pruned: 512, read: seeded + 701 - 512, missing: 0 },
    })
    const { readTile } = bench.authority.publishedLog
    expect(await readTile({ level: 'entries', index: 0, width: 256 })).toBeUndefined()
    expect((await readTile({ level: 0, index: 0, width: 256 }))?.length).toBe(256 * 32)
  })

  test('leaves what is young enough, what is not signed, and what a bundle has together with that', async () => {
    await record(300)
    await prune(1)
    await bench.authority.sealing.seal()
    await prune(1)
    bench.clock.now += 2 * DAY_MS
    await record(300)
    await prune(1)
    expect(await pruned()).toEqual([{ below: 256, retention_seconds: DAY_SECONDS }])
    await prune(1)
    expect(await pruned()).toHaveLength(1)
  })

  test('takes nothing out by a clock that has been wrong for a while, at the start or later', async () => {
    await record(300)
    await bench.authority.sealing.seal()
    const { look } = startRetention(30)
    bench.clock.now += 40 * DAY_MS
    expect(await look(0)).toBe(bench.clock.now + MINUTES_MS)
    expect(await look(10_000)).toBe(bench.clock.now + MINUTES_MS - 10_000)
    // By so little clocks are kept right.
    expect(await look(10_000, 2_000)).toBe(bench.clock.now + MINUTES_MS - 20_000)
    expect(await look(10_000, -2_000)).toBe(bench.clock.now + MINUTES_MS - 30_000)
    expect(await look(10_000, 2_001)).toBe(bench.clock.now + MINUTES_MS)
    expect(await look(10_000, -40 * DAY_MS)).toBe(bench.clock.now + MINUTES_MS)
    await look(MINUTES_MS)
    await look(10_000, 40 * DAY_MS)
    await look(10_000, -40 * DAY_MS)
    expect(await pruned()).toEqual([])
    expect(await bench.store.audit.first()).toBe(0)
    // One that is not set back is right.
    await look(10_000, 40 * DAY_MS)
    await look(MINUTES_MS)
    expect(await pruned()).toHaveLength(1)
  })

  test('does not wait longer than it keeps anything', async () => {
    await record(300)
    await bench.authority.sealing.seal()
    const { look } = startRetention(20 / DAY_SECONDS)
    await look(0)
    await look(20_001)
    expect(await pruned()).toHaveLength(1)
  })

  test('is finished after a crash between the announcement and the deletion', async () => {
    await record(300)
    await bench.authority.sealing.seal()
    bench.clock.now += 2 * DAY_MS
    crashes = true
    await expect(prune(1)).rejects.toThrow('power cut')
    expect(await bench.store.audit.first()).toBe(0)
    expect(await judge()).toMatchObject({ verdict: 'INTACT', walk: { pruned: 0 } })
    crashes = false
    await prune(1)
    expect(await bench.store.audit.first()).toBe(256)
    expect(await pruned()).toHaveLength(1)
  })

  test('goes on from where it was, in any number of steps', async () => {
    for (let day = 0; day < 4; day++) {
      await record(2_400)
      await bench.authority.sealing.seal()
      bench.clock.now += DAY_MS
    }
    await prune(1.5)
    const first = (await bench.store.audit.first()) ?? 0
    expect(first).toBeGreaterThan(7_000 - 256)
    expect(first % 256).toBe(0)
    expect((await pruned()).at(-1)).toMatchObject({ below: first })
    await bench.authority.sealing.seal()
    expect(await judge()).toMatchObject({ verdict: 'INTACT', walk: { pruned: first } })
    const found = await bench.authority.audit.scan({ after: -1, limit: 1 })
    expect(found.records[0]?.seq).toBe(first)
    expect(await bench.authority.sealing.rebuildTiles()).toBe((await bench.store.audit.head()) + 1)
    expect(await judge()).toMatchObject({ verdict: 'INTACT' })
  })
})

test('what is kept beside the records is erased also while the log cannot be pruned', async () => {
  await record(300)
  await bench.authority.sealing.seal()
  bench.clock.now += 2 * DAY_MS
  crashes = true
  await expect(prune(1, 1)).rejects.toThrow('power cut')
  expect(await bench.store.audit.first()).toBe(0)
  expect(await countPrivate()).toBe(0)
})

test('erasing what is kept beside the records leaves the log as it was signed', async () => {
  await record(300)
  await bench.authority.sealing.seal()
  expect(await countPrivate()).toBe(300)
  const before = await judge()
  bench.clock.now += 2 * DAY_MS
  await record(3)
  await prune(undefined, 1)
  expect(await countPrivate()).toBe(3)
  expect(await bench.store.audit.first()).toBe(0)
  expect(await judge()).toEqual(before)
  expect(before.verdict).toBe('INTACT')
})
