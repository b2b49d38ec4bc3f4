import { describe, expect, inject, test } from 'vitest'
import { AuthsecError } from '../../src/core/errors.js'
import { startServer } from '../../src/server/index.js'
import { hashState } from '../support/held-state.js'
import { canMakeDisks, makeSmallDisk } from '../support/small-disk.js'

const MEBI = 2 ** 20

const start = (state: string) => startServer({ state, port: 0, keys: { import: inject('serverKeys') } })

describe.skipIf(!canMakeDisks)('a state on a disk that is full', () => {
  const refusal = {
    code: 'temporarily_unavailable',
    // The last of them have room for what they write, and not for more.
    hint: expect.stringMatching(/^(?:Check the free space|Make room on that disk)/),
  }

  test('is no damaged one: it is not opened, and opened when there is room again', async () => {
    const disk = makeSmallDisk(8 * MEBI)
    const { state } = disk
    await (await start(state)).close()
    const before = await hashState(state)
    disk.leave(0)
    await expect(start(state)).rejects.toMatchObject(refusal)
    expect(await hashState(state)).toEqual(before)
    disk.leave(4 * MEBI)
    await (await start(state)).close()
  })

  test('says so wherever a first start runs out of room, and the next one finishes it', async () => {
    const disk = makeSmallDisk(16 * MEBI)
    const refusals = []
    for (let left = 0; left < 2048; left += 192) {
      // A place of its own: after a failure that came late, this process has the database until it is collected.
      const state = `${disk.state}-${left}`
      disk.leave(left * 1024)
      const outcome = await start(state).catch((error: unknown) => {
        if (AuthsecError.is(error)) return error
        throw error
      })
      if (AuthsecError.is(outcome)) refusals.push(outcome)
      else {
        // There may be too little for the last record.
        await outcome.close().catch((error: unknown) => refusals.push(error))
        break
      }
    }
    expect(refusals.length).toBeGreaterThan(2)
    expect(refusals).toEqual(refusals.map(() => expect.objectContaining(refusal)))
    disk.leave(4 * MEBI)
    await (await start(`${disk.state}-192`)).close()
  })
})
