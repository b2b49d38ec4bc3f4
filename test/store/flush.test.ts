import { mkdirSync, readdirSync, renameSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createStore, openStore } from '../../src/store/open.js'
import { openSqlite } from '../../src/store/sqlite.js'
import type { Store } from '../../src/store/store.js'
import { syncFile } from '../../src/store/write-ahead-log.js'
import { createClient, createRecord } from './samples.js'
import { makeStateDirectory, type StateDirectory } from './state-directory.js'

let state: StateDirectory
beforeEach(() => {
  state = makeStateDirectory()
})
afterEach(() => state.remove())

/** A disk that fails on demand, and counts how often it is asked. */
function createDisk() {
  const disk = {
    syncs: 0,
    isBroken: false,
    /** What a sync waits for. */
    gate: Promise.resolve(),
    async sync(descriptor: number) {
      disk.syncs++
      await disk.gate
      if (disk.isBroken) throw Object.assign(new Error('i/o error'), { code: 'EIO' })
      await syncFile(descriptor)
    },
  }
  return disk
}

const open = (disk: { sync: (descriptor: number) => Promise<void> }) =>
  createStore(openSqlite(state.file, disk.sync), state.file)

const add = (store: Store, name: string) =>
  store.write(async ({ settings, audit }) => {
    await settings.insert({ name, value: 'here' })
    audit.append(createRecord(name))
    return name
  })

/** Lets everything go on that waits for nothing but its turn. */
const settle = async () => {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
}

describe('a write to a file', () => {
  test('is answered only when the log is on the disk', async () => {
    const disk = createDisk()
    const store = await open(disk)
    let release = () => {}
    disk.gate = new Promise((resolve) => {
      release = resolve
    })
    let answered = false
    const written = add(store, 'a').then(() => {
      answered = true
    })
    await settle()
    expect(await store.settings.find('a')).toBe('here')
    expect(answered).toBe(false)
    release()
    await written
    await store.close()
  })

  test('is committed while an earlier one is on its way to the disk, and shares the next flush', async () => {
    const disk = createDisk()
    const store = await open(disk)
    let release = () => {}
    disk.gate = new Promise((resolve) => {
      release = resolve
    })
    const before = disk.syncs
    const written: Promise<unknown>[] = []
    for (const name of ['a', 'b', 'c']) {
      written.push(add(store, name))
      await settle()
      expect(await store.settings.find(name)).toBe('here')
    }
    expect(disk.syncs - before).toBe(1)
    release()
    await Promise.all(written)
    expect(disk.syncs - before).toBe(2)
    await store.close()
  })

  test('shows its record to readers of the log only when that is on the disk', async () => {
    const disk = createDisk()
    const store = await open(disk)
    let release = () => {}
    disk.gate = new Promise((resolve) => {
      release = resolve
    })
    const steps: string[] = []
    const written = add(store, 'a')
    await settle()
    const read = store.audit.search({ limit: 10 }).then((found) => steps.push(`read ${found.length}`))
    const head = store.audit.head().then((seq) => steps.push(`head ${seq}`))
    await settle()
    steps.push('flushed')
    release()
    await Promise.all([written, read, head])
    expect(steps[0]).toBe('flushed')
    expect(steps.sort()).toEqual(['flushed', 'head 0', 'read 1'])
    await store.close()
  })

  test('is flushed when the store is closed, whoever waits for it', async () => {
    const disk = createDisk()
    const store = await open(disk)
    const written = add(store, 'a')
    await store.close()
    expect(await written).toBe('a')
    expect(readdirSync(state.directory)).toEqual(['authsec.db'])
  })
})

describe('a flush that fails', () => {
  test('fails every write that waits for it, and every write committed behind it', async () => {
    const disk = createDisk()
    const store = await open(disk)
    let fail = () => {}
    disk.gate = new Promise((_, reject) => {
      fail = () => reject(Object.assign(new Error('i/o error'), { code: 'EIO' }))
    })
    const first = Promise.allSettled(['a', 'b'].map((name) => add(store, name)))
    await settle()
    const behind = Promise.allSettled([add(store, 'c')])
    await settle()
    fail()
    const results = [...(await first), ...(await behind)]
    expect(results).toHaveLength(3)
    for (const result of results) {
      expect(result).toMatchObject({
        status: 'rejected',
        reason: { name: 'AuthsecError', code: 'temporarily_unavailable', cause: { code: 'EIO' } },
      })
    }
    await store.close()
  })

  test('is got over by opening the file anew, after which everything is whole and durable again', async () => {
    const disk = createDisk()
    const store = await open(disk)
    await add(store, 'before')
    await store.write(({ clients }) => clients.insert(createClient('agent')))
    const revision = await store.delegations.revision()
    disk.isBroken = true
    await expect(add(store, 'lost')).rejects.toMatchObject({ code: 'temporarily_unavailable' })

    disk.isBroken = false
    const syncs = disk.syncs
    await add(store, 'after')
    expect(disk.syncs).toBe(syncs + 1)
    expect(await store.settings.find('before')).toBe('here')
    expect(await store.delegations.revision()).toBe(revision)
    // Whether what nobody was told of is there or not, the log has no gap.
    const found = await store.audit.search({ limit: 10 })
    expect(found.map(({ seq }) => seq)).toEqual(found.map((_, index) => index))
    expect(found.at(-1)?.record).toBe('record after')
    await store.close()

    const again = await openStore(state.file)
    expect(await again.settings.find('after')).toBe('here')
    await again.close()
  })

  test('lets nobody read the log until it is made good', async () => {
    const disk = createDisk()
    const store = await open(disk)
    await add(store, 'before')
    disk.isBroken = true
    await expect(add(store, 'lost')).rejects.toMatchObject({ code: 'temporarily_unavailable' })
    await expect(store.audit.search({ limit: 10 })).rejects.toMatchObject({ code: 'temporarily_unavailable' })
    disk.isBroken = false
    await add(store, 'after')
    expect((await store.audit.search({ limit: 10 })).length).toBeGreaterThan(1)
    await store.close()
  })

  test('refuses every write and read while the file cannot be opened again', async () => {
    const disk = createDisk()
    const store = await open(disk)
    await add(store, 'before')
    disk.isBroken = true
    await expect(add(store, 'lost')).rejects.toMatchObject({ code: 'temporarily_unavailable' })
    disk.isBroken = false

    renameSync(state.file, path.join(state.directory, 'elsewhere'))
    mkdirSync(state.file)
    const results = await Promise.allSettled(['x', 'y', 'z'].map((name) => add(store, name)))
    expect(results).toMatchObject(
      results.map(() => ({ status: 'rejected', reason: { code: 'temporarily_unavailable' } })),
    )
    await expect(store.settings.find('before')).rejects.toMatchObject({ code: 'temporarily_unavailable' })
    await store.close()
  })
})
