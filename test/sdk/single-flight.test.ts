import { describe, expect, test } from 'vitest'
import { type FlightRun, SingleFlight, throwIfAborted } from '../../src/sdk/single-flight.js'
import { settle } from '../support/fake-clock.js'

/** Work that ends when the test says so, and that remembers how it was treated. */
function createWork() {
  const runs: {
    resolve(value: string): void
    reject(error: Error): void
    signal: AbortSignal
    isCurrent(): boolean
  }[] = []
  const run: FlightRun<string> = (signal, isCurrent) =>
    new Promise((resolve, reject) => runs.push({ resolve, reject, signal, isCurrent }))
  return { run, runs }
}

describe('SingleFlight', () => {
  test('does the work of a key once for all who ask', async () => {
    const { run, runs } = createWork()
    const flights = new SingleFlight<string>()
    const asked = [flights.join('a', run), flights.join('a', run), flights.join('a', run)]
    await settle()
    runs[0]?.resolve('done')
    expect(await Promise.all(asked)).toEqual(['done', 'done', 'done'])
    expect(runs).toHaveLength(1)
    expect(flights.size).toBe(0)
  })

  test('does not share a failure with those who come after it', async () => {
    const { run, runs } = createWork()
    const flights = new SingleFlight<string>()
    const first = flights.join('a', run)
    await settle()
    runs[0]?.reject(new Error('no'))
    await expect(first).rejects.toThrow('no')
    const second = flights.join('a', run)
    await settle()
    runs[1]?.resolve('yes')
    expect(await second).toBe('yes')
  })

  test('lets one caller leave and goes on for the other', async () => {
    const { run, runs } = createWork()
    const flights = new SingleFlight<string>()
    const leaving = new AbortController()
    const staying = new AbortController()
    const left = flights.join('a', run, { signal: leaving.signal })
    const stayed = flights.join('a', run, { signal: staying.signal })
    await settle()
    leaving.abort()
    await expect(left).rejects.toMatchObject({ name: 'AbortError' })
    expect(runs[0]?.signal.aborted).toBe(false)
    runs[0]?.resolve('done')
    expect(await stayed).toBe('done')
  })

  test('stops the work when the last caller has left, and starts anew for the next', async () => {
    const { run, runs } = createWork()
    const flights = new SingleFlight<string>()
    const controller = new AbortController()
    const asked = [1, 2].map(() => flights.join('a', run, { signal: controller.signal }))
    await settle()
    controller.abort()
    await expect(Promise.allSettled(asked)).resolves.toHaveLength(2)
    expect(runs[0]?.signal.aborted).toBe(true)
    expect(runs[0]?.isCurrent()).toBe(false)
    const next = flights.join('a', run)
    await settle()
    runs[1]?.resolve('done')
    expect(await next).toBe('done')
  })

  test('goes on without callers where the work is wanted anyway', async () => {
    const { run, runs } = createWork()
    const flights = new SingleFlight<string>()
    const controller = new AbortController()
    const left = flights.join('a', run, { signal: controller.signal, outlivesCallers: () => true })
    await settle()
    controller.abort()
    await expect(left).rejects.toMatchObject({ name: 'AbortError' })
    expect(runs[0]?.signal.aborted).toBe(false)
  })

  test('keeps the reason of the caller as the cause of the AbortError', async () => {
    const flights = new SingleFlight<string>()
    const controller = new AbortController()
    const left = flights.join('a', createWork().run, { signal: controller.signal })
    const reason = new Error('the user went away')
    controller.abort(reason)
    await expect(left).rejects.toMatchObject({ name: 'AbortError', cause: reason })
  })

  test('turns away who comes with a signal that has fired, and begins nothing', async () => {
    const { run, runs } = createWork()
    const flights = new SingleFlight<string>()
    const asked = flights.join('a', run, { signal: AbortSignal.abort() })
    expect(flights.size).toBe(0)
    await expect(asked).rejects.toMatchObject({ name: 'AbortError' })
    expect(runs).toHaveLength(0)
  })

  test('never gives a fresh caller work that began before the call', async () => {
    const { run, runs } = createWork()
    const flights = new SingleFlight<string>()
    const older = flights.join('a', run)
    await settle()
    const fresh = flights.join('a', run, { fresh: true })
    await settle()
    expect(runs).toHaveLength(2)
    expect(runs[0]?.isCurrent()).toBe(false)
    runs[1]?.resolve('new')
    expect(await fresh).toBe('new')
    runs[0]?.resolve('old')
    expect(await older).toBe('old')
  })

  test('gives fresh callers of the same turn one piece of work', async () => {
    const { run, runs } = createWork()
    const flights = new SingleFlight<string>()
    const asked = [1, 2, 3].map(() => flights.join('a', run, { fresh: true }))
    await settle()
    runs[0]?.resolve('new')
    expect(await Promise.all(asked)).toEqual(['new', 'new', 'new'])
    expect(runs).toHaveLength(1)
  })

  test('lets forgotten work answer those who wait, without being current', async () => {
    const { run, runs } = createWork()
    const flights = new SingleFlight<string>()
    const asked = flights.join('a', run)
    await settle()
    flights.forgetGroup('a')
    expect(runs[0]?.isCurrent()).toBe(false)
    runs[0]?.resolve('done')
    expect(await asked).toBe('done')
  })

  test('forgets the keys of a group alone, and stops their work where there is a reason', async () => {
    const { run, runs } = createWork()
    const flights = new SingleFlight<string>()
    for (const key of ['u1|a', 'u2|u1|']) void flights.join(key, run)
    await settle()
    flights.forgetGroup('u1|', new Error('revoked'))
    expect(runs.map(({ signal }) => signal.aborted)).toEqual([true, false])
    expect(runs.map(({ isCurrent }) => isCurrent())).toEqual([false, true])
  })

  test('keeps the newer work of a key when the older one ends or is left', async () => {
    const { run, runs } = createWork()
    const flights = new SingleFlight<string>()
    const leaving = new AbortController()
    const left = flights.join('a', run, { signal: leaving.signal })
    await settle()
    const older = flights.join('a', run, { fresh: true })
    await settle()
    leaving.abort()
    await expect(left).rejects.toMatchObject({ name: 'AbortError' })
    expect(runs[1]?.isCurrent()).toBe(true)
    const newer = flights.join('a', run, { fresh: true })
    await settle()
    runs[1]?.resolve('old')
    expect(await older).toBe('old')
    expect(runs[2]?.isCurrent()).toBe(true)
    runs[2]?.resolve('new')
    expect(await newer).toBe('new')
  })

  test('launches for nobody, once, and lets nobody notice the failure who did not ask', async () => {
    const { run, runs } = createWork()
    const flights = new SingleFlight<string>()
    const launched = flights.launch('a', run)
    expect(flights.launch('a', run)).toBeUndefined()
    await settle()
    runs[0]?.reject(new Error('unnoticed'))
    // vitest fails the run on an unhandled rejection, so this comes late on purpose.
    await settle()
    await expect(launched).rejects.toThrow('unnoticed')
    expect(flights.size).toBe(0)
  })

  test('closed, it stops everything and takes on nothing', async () => {
    const { run, runs } = createWork()
    const flights = new SingleFlight<string>()
    const asked = flights.join(
      'a',
      (signal) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason))
        }),
    )
    await settle()
    flights.close(new Error('closed'))
    await expect(asked).rejects.toThrow('closed')
    await expect(flights.join('a', run)).rejects.toThrow('closed')
    expect(flights.launch('a', run)).toBeUndefined()
    expect(runs).toHaveLength(0)
  })
})

test('throwIfAborted throws for a signal that has fired and for no other', () => {
  expect(() => throwIfAborted(undefined)).not.toThrow()
  expect(() => throwIfAborted(new AbortController().signal)).not.toThrow()
  expect(() => throwIfAborted(AbortSignal.abort('gone'))).toThrow(
    expect.objectContaining({ name: 'AbortError' }),
  )
})
