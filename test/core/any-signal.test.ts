import { once } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { anySignal } from '../../src/core/any-signal.js'

test('a timeout that nobody else holds ends what waits for any of them', async () => {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  const collecting = setInterval(collect, 5)
  try {
    const joined = anySignal([AbortSignal.timeout(100), new AbortController().signal])
    await once(joined, 'abort')
    expect(joined.reason).toMatchObject({ name: 'TimeoutError' })
  } finally {
    clearInterval(collecting)
  }
})

test('aborts with the first, and is aborted from the start where one is', () => {
  const [first, second] = [new AbortController(), new AbortController()]
  const joined = anySignal([first.signal, second.signal])
  expect(joined.aborted).toBe(false)
  second.abort('why')
  expect(joined.reason).toBe('why')
  expect(anySignal([first.signal, second.signal]).aborted).toBe(true)
})
