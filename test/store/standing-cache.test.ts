import { describe, expect, test } from 'vitest'
import { keepStandings } from '../../src/store/standing-cache.js'
import type { Standing } from '../../src/store/store.js'

/** A store whose answers differ with every question, so that a kept one is told from a fresh one. */
function openCounted() {
  const counted = { revision: 1, questions: 0, readings: 0, isKnown: true }
  const { find: findStanding, forget } = keepStandings(
    async () => {
      counted.questions++
      return counted.isKnown ? ({ revision: counted.revision } as Standing) : undefined
    },
    async () => {
      counted.readings++
      return counted.revision
    },
  )
  return { counted, findStanding, forget }
}

describe('what a delegation is worth, kept', () => {
  test('is not asked again while nothing of authority has changed', async () => {
    const { counted, findStanding } = openCounted()
    const first = await findStanding('agent', 'https://billing.example')
    expect(await findStanding('agent', 'https://billing.example')).toBe(first)
    expect(counted).toMatchObject({ questions: 1, readings: 2 })
  })

  test('is asked again after every change', async () => {
    const { counted, findStanding } = openCounted()
    await findStanding('agent', 'https://billing.example')
    counted.revision++
    expect(await findStanding('agent', 'https://billing.example')).toMatchObject({ revision: 2 })
    expect(counted.questions).toBe(2)
  })

  test('is not mistaken for that of another client or resource', async () => {
    const { counted, findStanding } = openCounted()
    await findStanding('agent', 'https://billing.example')
    await findStanding('agent', 'https://orders.example')
    await findStanding('other', 'https://billing.example')
    expect(counted.questions).toBe(3)
  })

  test('is asked again while there is none', async () => {
    const { counted, findStanding } = openCounted()
    counted.isKnown = false
    expect(await findStanding('agent', 'https://billing.example')).toBeUndefined()
    counted.isKnown = true
    expect(await findStanding('agent', 'https://billing.example')).toMatchObject({ revision: 1 })
  })

  test('is not kept under a revision that changed between the two questions', async () => {
    const { counted, findStanding } = openCounted()
    const asked = findStanding('agent', 'https://billing.example')
    counted.revision++
    expect(await asked).toMatchObject({ revision: 2 })
    counted.revision++
    expect(await findStanding('agent', 'https://billing.example')).toMatchObject({ revision: 3 })
  })

  test('is asked again after it was forgotten, under the same revision too', async () => {
    const { counted, findStanding, forget } = openCounted()
    await findStanding('agent', 'https://billing.example')
    forget()
    await findStanding('agent', 'https://billing.example')
    expect(counted.questions).toBe(2)
  })

  test('is bounded', async () => {
    const { counted, findStanding } = openCounted()
    for (const client of Array(1_001).keys()) await findStanding(`agent-${client}`, 'https://billing.example')
    await findStanding('agent-0', 'https://billing.example')
    expect(counted.questions).toBe(1_002)
  })

  test('asks again after a reading that failed', async () => {
    let fails = true
    const { find: findStanding } = keepStandings(
      async () => ({ revision: 1 }) as Standing,
      async () => (fails ? Promise.reject(new Error('the disk')) : 1),
    )
    await expect(findStanding('agent', 'https://billing.example')).rejects.toThrow('the disk')
    fails = false
    expect(await findStanding('agent', 'https://billing.example')).toMatchObject({ revision: 1 })
  })
})
