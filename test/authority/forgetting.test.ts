import { expect, onTestFinished, test } from 'vitest'
import { createForgetting } from '../../src/authority/forgetting.js'
import { openStore } from '../../src/store/open.js'
import { fill, NOW } from '../store/samples.js'

test('what is used or revoked is forgotten once it has expired by every clock that issues', async () => {
  const store = await openStore(':memory:')
  onTestFinished(() => store.close())
  await fill(store)
  const useAll = () =>
    store.write(async ({ assertions, uses, revocations }) => {
      await revocations.insert({ jti: 'token', expiresAt: NOW })
      return [
        await assertions.use({ clientId: 'agent', jtiHash: 'hash', expiresAt: NOW }),
        await uses.insert({ jti: 'token', expiresAt: NOW }),
      ]
    })
  let now = NOW + 60_000
  const { upkeep } = createForgetting({ store, clock: () => now, skewSeconds: 60 })
  expect(await useAll()).toEqual([true, true])
  await upkeep()
  expect(await useAll()).toEqual([false, false])
  expect(await store.revocations.hasAny(['token'])).toBe(true)
  now += 1
  await upkeep()
  expect(await store.revocations.hasAny(['token'])).toBe(false)
  expect(await useAll()).toEqual([true, true])
})
