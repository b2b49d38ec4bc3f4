import { beforeEach, describe, expect, test } from 'vitest'
import type { HighWaterMark } from '../../../src/authority/audit/highest-heads.js'
import { sha256, toVerifierKey, verifyEd25519 } from '../../../src/authority/audit/log-key.js'
import { createSealing } from '../../../src/authority/audit/sealing.js'
import { type Checkpoint, isSignedBy, parseCheckpoint } from '../../../src/core/checkpoint.js'
import { createMerkleTree, hashLeaf } from '../../../src/core/merkle.js'
import { type AuthorityBench, openBench, PROVENANCE, refusalOf } from '../../support/authority-bench.js'

/** The checkpoint of another log. */
const ANOTHER = `authsec/another\n99\n${Buffer.alloc(32).toString('base64')}\n\n— a AAAAAAA=\n`

let bench: AuthorityBench
beforeEach(async () => {
  bench = await openBench()
  await bench.grant()
})

const readHead = async (): Promise<Checkpoint> =>
  parseCheckpoint(await bench.authority.publishedLog.checkpoint())

/** The root over the records as they are stored, computed from them alone. */
async function computeRoot(size: number): Promise<Buffer> {
  const tree = createMerkleTree(sha256)
  for (const { record } of await bench.store.audit.search({ limit: size })) {
    tree.append(hashLeaf(Buffer.from(record), sha256))
  }
  return Buffer.from(tree.root())
}

async function record(count: number): Promise<void> {
  const { audit } = bench.authority
  const attempts = Array.from({ length: count }, () =>
    audit.attempt({ type: 'client.read' }, PROVENANCE, (attempt) => attempt.commit()),
  )
  await Promise.all(attempts)
}

function createMark(note?: string): HighWaterMark & { raised: string[] } {
  const raised = note === undefined ? [] : [note]
  return {
    raised,
    read: async () => raised.slice(-1).map(parseCheckpoint),
    raise: async (next) => void raised.push(next),
  }
}

function sealWith(highWater: HighWaterMark, readSteady = () => 0) {
  const { identity, keyring } = bench.authority
  return createSealing({
    store: bench.store,
    keyring,
    logId: identity.logId,
    clock: bench.clock.read,
    highWater,
    readSteady,
  })
}

describe('sealing the log', () => {
  test('signs everything that has been recorded, with the key of the log and no other', async () => {
    await bench.authority.sealing.seal()
    const head = await readHead()
    const { logId } = bench.authority.identity
    expect(head.origin).toBe(logId)
    expect(head.size).toBe((await bench.store.audit.head()) + 1)
    expect(Buffer.from(head.root)).toEqual(await computeRoot(head.size))
    const { active } = bench.authority.keyring
    expect(isSignedBy(head, toVerifierKey(active.audit, logId), verifyEd25519)).toBe(true)
    expect(isSignedBy(head, toVerifierKey(active.call, logId), verifyEd25519)).toBe(false)
  })

  test('goes on from what was signed, through any number of steps', async () => {
    for (const count of [1, 254, 3, 300]) {
      await record(count)
      await bench.authority.sealing.seal()
      const { size, root } = await readHead()
      expect(size).toBe((await bench.store.audit.head()) + 1)
      expect(Buffer.from(root)).toEqual(await computeRoot(size))
    }
  })

  test('signs nothing where nothing is new', async () => {
    await bench.authority.sealing.seal()
    const before = await bench.authority.publishedLog.checkpoint()
    bench.clock.now += 60_000
    await bench.authority.sealing.seal()
    expect(await bench.authority.publishedLog.checkpoint()).toBe(before)
  })

  test('does not wait for anybody when many records are unsigned', async () => {
    await record(300)
    // Behind what the count has set off.
    await bench.authority.sealing.seal()
    await record(256)
    for (let turn = 0; turn < 1_000 && (await readHead()).size < 500; turn++) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect((await readHead()).size).toBeGreaterThan(500)
  })

  test('is done by one of several servers at a time, and comes to the same', async () => {
    const servers = Array.from({ length: 4 }, () => sealWith(createMark()))
    for (let round = 0; round < 5; round++) {
      await record(20)
      await Promise.all(servers.map(({ seal }) => seal()))
      const { size, root } = await readHead()
      expect(size).toBe((await bench.store.audit.head()) + 1)
      expect(Buffer.from(root)).toEqual(await computeRoot(size))
    }
  })

  test('makes tiles anew that are damaged, as long as the records are those that were signed', async () => {
    await record(300)
    await bench.authority.sealing.seal()
    const { size } = await readHead()
    await bench.store.write(({ auditTree }) =>
      auditTree.replaceTiles([
        { level: 0, index: 1, hashes: new Uint8Array(32 * (size - 256)) },
        { level: 1, index: 0, hashes: new Uint8Array(32) },
      ]),
    )
    await record(1)
    await bench.authority.sealing.seal()
    const head = await readHead()
    expect(head.size).toBe(size + 1)
    expect(Buffer.from(head.root)).toEqual(await computeRoot(head.size))
  })
})

describe('what was signed once', () => {
  test('is never signed otherwise: another head in the store ends the signing', async () => {
    await bench.authority.sealing.seal()
    const { note, size } = await readHead()
    const forged = note.replace(/\n.{44}\n/, `\n${Buffer.alloc(32, 1).toString('base64')}\n`)
    await bench.store.write(({ auditTree }) =>
      auditTree.advance(size, { size: size + 1, note: forged, signedAt: 0, keepsLast: false }, []),
    )
    await record(3)
    expect(await refusalOf(bench.authority.sealing.seal())).toMatchObject({ code: 'checkpoint_forged' })
  })

  test('holds against tiles that lead elsewhere while the records do too', async () => {
    await bench.authority.sealing.seal()
    const { size } = await readHead()
    const sealing = sealWith(createMark())
    // What somebody with the database at hand may do: other hashes, and a record that never was is not to be had here.
    await bench.store.write(({ auditTree }) =>
      auditTree.replaceTiles([{ level: 0, index: 0, hashes: new Uint8Array(32 * size) }]),
    )
    await record(1)
    await sealing.seal()
    expect(Buffer.from((await readHead()).root)).toEqual(await computeRoot(size + 1))
  })

  test('is remembered beside the store: an older copy of it is refused', async () => {
    const mark = createMark()
    await record(5)
    await sealWith(mark).seal()
    const [highest] = mark.raised
    const older = await openBench()
    const { identity, keyring } = older.authority
    const logId = parseCheckpoint(highest!).origin
    const sealing = createSealing({
      store: older.store,
      keyring,
      logId: identity.logId,
      clock: older.clock.read,
      highWater: mark,
    })
    expect(identity.logId).toBe(logId)
    expect(await refusalOf(sealing.seal())).toMatchObject({
      code: 'state_rolled_back',
      message: expect.stringMatching(/^the audit log ends at 0, and was signed up to \d+$/),
    })
  })

  test('is raised with every signature and no other', async () => {
    const mark = createMark()
    const sealing = sealWith(mark)
    const { length } = await bench.events()
    await sealing.seal()
    await sealing.seal()
    await record(1)
    await sealing.seal()
    expect(mark.raised.map((note) => parseCheckpoint(note).size)).toEqual([length, length + 1])
    expect(mark.raised.at(-1)).toBe(await bench.authority.publishedLog.checkpoint())
  })

  test('follows what another server has signed', async () => {
    const [mark, other] = [createMark(), createMark()]
    const [sealing, idle] = [sealWith(mark), sealWith(other)]
    await idle.seal()
    await record(3)
    await sealing.seal()
    await idle.seal()
    expect(other.raised.at(-1)).toBe(mark.raised.at(-1))
  })

  test('that cannot be kept is kept later, and meanwhile the log counts as one that is not signed', async () => {
    const mark = createMark()
    let [now, isBroken] = [0, true]
    const raise = async (note: string) => {
      if (isBroken) throw new Error('no such directory')
      await mark.raise(note)
    }
    const sealing = sealWith({ ...mark, raise }, () => now)
    sealing.assertTimely(0)
    for (now of [1_000, 6_000, 11_001]) await expect(sealing.seal()).rejects.toThrow('no such directory')
    expect(() => sealing.assertTimely(10_000)).toThrow('could not be signed for a while')
    expect(() => sealing.assertTimely(10_001)).not.toThrow()
    isBroken = false
    await sealing.seal()
    sealing.assertTimely(0)
    expect(mark.raised).toEqual([await bench.authority.publishedLog.checkpoint()])
  })

  test('of a log that came after this one ends this one', async () => {
    const mark = createMark()
    await sealWith(mark).seal()
    const marks = { ...mark, read: async () => [...mark.raised, ANOTHER].map(parseCheckpoint) }
    expect(await refusalOf(sealWith(marks).seal())).toMatchObject({
      code: 'state_rolled_back',
      message: expect.stringMatching(
        /^the audit log is authsec\/\w+, whose place authsec\/another has taken$/,
      ),
      hint: expect.stringContaining('dev recover'),
    })
  })

  test('of another log says nothing about this one', async () => {
    await sealWith(createMark(ANOTHER)).seal()
    expect((await readHead()).size).toBe((await bench.events()).length)
  })
})

describe('a new key of the log', () => {
  test('signs together with the old one, which then leaves a last checkpoint behind', async () => {
    const { keys, sealing, publishedLog, identity, keyring } = bench.authority
    const { admin } = bench.seeded
    await sealing.seal()
    const before = toVerifierKey(keyring.active.audit, identity.logId)
    await keys.rotate({ purpose: 'audit', alg: 'EdDSA' }, admin, PROVENANCE)
    await sealing.seal()
    const after = toVerifierKey(keyring.active.audit, identity.logId)
    expect(after.keyId).not.toBe(before.keyId)
    const both = await readHead()
    for (const key of [before, after]) expect(isSignedBy(both, key, verifyEd25519)).toBe(true)

    bench.clock.now += 8 * 86_400_000
    await keys.upkeep()
    await record(1)
    await sealing.seal()
    const alone = await readHead()
    expect(isSignedBy(alone, before, verifyEd25519)).toBe(false)
    expect(isSignedBy(alone, after, verifyEd25519)).toBe(true)
    const handovers = (await publishedLog.readKeys()).handovers.map(parseCheckpoint)
    expect(
      handovers.some(
        (head) => isSignedBy(head, before, verifyEd25519) && isSignedBy(head, after, verifyEd25519),
      ),
    ).toBe(true)
  })

  test('takes over at once where the old one is suspect, which then vouches for nothing', async () => {
    const { keys, sealing, identity, keyring } = bench.authority
    await sealing.seal()
    const suspect = keyring.active.audit
    await keys.condemn(suspect.kid, 'tainted', bench.seeded.admin, PROVENANCE)
    await sealing.seal()
    const head = await readHead()
    expect(isSignedBy(head, toVerifierKey(suspect, identity.logId), verifyEd25519)).toBe(false)
    expect(isSignedBy(head, toVerifierKey(keyring.active.audit, identity.logId), verifyEd25519)).toBe(true)
  })

  test('signs also where this server has not heard of it yet', async () => {
    const { keys, identity, keyring } = bench.authority
    const deaf = {
      ...keyring,
      audit: keyring.audit,
      refresh: () => keyring.refresh().then(() => Object.assign(deaf, { audit: keyring.audit })),
    }
    const sealing = createSealing({
      store: bench.store,
      keyring: deaf as unknown as typeof keyring,
      logId: identity.logId,
      clock: bench.clock.read,
    })
    await sealing.seal()
    await keys.rotate({ purpose: 'audit', alg: 'EdDSA' }, bench.seeded.admin, PROVENANCE)
    await sealing.seal()
    const head = await readHead()
    expect(isSignedBy(head, toVerifierKey(keyring.active.audit, identity.logId), verifyEd25519)).toBe(true)
    expect(head.signatures).toHaveLength(2)
  })
})
