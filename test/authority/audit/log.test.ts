import { beforeEach, describe, expect, test } from 'vitest'
import { type AuditLog, createAuditLog, type Provenance } from '../../../src/authority/audit/log.js'
import { createResource } from '../../../src/authority/resources.js'
import type { AuditDraft } from '../../../src/core/audit-record.js'
import { canonicalJson } from '../../../src/core/canonical-json.js'
import { AuthsecError } from '../../../src/core/errors.js'
import { openStore } from '../../../src/store/open.js'
import { createStoreFailure } from '../../../src/store/unavailable.js'
import { type AlteredStore, createAlteredStore } from '../../support/altered-store.js'
import { refusalOf } from '../../support/authority-bench.js'

const NOW = Date.parse('2026-11-24T09:00:00.123Z')
const FROM: Provenance = { requestId: 'r1', source: 'POST /here', ip: '127.0.0.1', userAgent: 'agent/1' }
const DRAFT: AuditDraft = { type: 'resource.created' }

let store: AlteredStore
let log: AuditLog
let now: number

beforeEach(async () => {
  now = NOW
  store = createAlteredStore(await openStore(':memory:'))
  log = createAuditLog({ store, clock: () => now, logId: 'authsec/l', tenantId: 't', bootId: 'b' })
})

const refusal = () => new AuthsecError('conflict', 'it exists already', { hint: 'Take another.' })
const events = async () => (await log.search({ limit: 100 })).map(({ event }) => event)
const addResource = (uri: string) =>
  log.attempt(DRAFT, FROM, (attempt) =>
    attempt.commit(({ resources }) => resources.insert(createResource({ uri, permissions: [] }, NOW))),
  )

describe('an attempt that succeeds', () => {
  test('leaves one record of what is known, where it came from, and when it began', async () => {
    const id = await log.attempt({ ...DRAFT, client: 'c' }, FROM, async (attempt) => {
      now += 5_000
      await attempt.commit()
      return attempt.eventId
    })
    expect(await events()).toEqual([
      {
        v: 1,
        id,
        log: 'authsec/l',
        tenant: 't',
        boot: 'b',
        occurred_at: '2026-11-24T09:00:00.123Z',
        type: 'resource.created',
        outcome: 'allow',
        client: 'c',
        request_id: 'r1',
        source: 'POST /here',
      },
    ])
  })

  test('is answered with what the change returns', async () => {
    expect(await log.attempt(DRAFT, FROM, (attempt) => attempt.commit(async () => 42))).toBe(42)
  })

  test('stores the canonical bytes, RFC 8785', async () => {
    await log.attempt({ ...DRAFT, details: { z: 1, a: [true, null], é: '"\u2028' } }, FROM, (attempt) =>
      attempt.commit(),
    )
    const [stored] = await store.audit.search({ limit: 1 })
    expect(stored?.record).toBe(canonicalJson(JSON.parse(stored?.record ?? '')))
    expect(stored?.record.startsWith('{"boot":"b","details":{"a":[true,null],"z":1,"é":')).toBe(true)
  })

  test('keeps address and user agent out of the record', async () => {
    await addResource('https://a.example')
    expect(JSON.stringify(await events())).not.toMatch(/127\.0\.0\.1|agent\/1/)
  })

  test('puts together what is noted member by member', async () => {
    await log.attempt(DRAFT, FROM, async (attempt) => {
      attempt.note({ permissions: { asked: ['a:b'] }, details: { tool: 'x' }, jti: 'first' })
      attempt.note({ permissions: { granted: ['c:d'] }, details: { seconds: 1 }, jti: 'second' })
      await attempt.commit()
    })
    expect(await events()).toMatchObject([
      {
        permissions: { asked: ['a:b'], granted: ['c:d'] },
        details: { tool: 'x', seconds: 1 },
        jti: 'second',
      },
    ])
  })

  test('is not recorded again when the answer fails afterwards', async () => {
    const crash = log.attempt(DRAFT, FROM, async (attempt) => {
      await attempt.commit()
      throw new Error('the answer cannot be written')
    })
    await expect(crash).rejects.toThrow('the answer cannot be written')
    expect((await events()).map(({ outcome }) => outcome)).toEqual(['allow'])
  })
})

describe('an attempt that is refused', () => {
  test('leaves one record with the reason and what was known by then, and tells its id', async () => {
    const refused = await refusalOf(
      log.attempt(DRAFT, FROM, async (attempt) => {
        attempt.note({ client: 'c' })
        throw refusal()
      }),
    )
    const [event, ...others] = await events()
    expect(others).toEqual([])
    expect(event).toMatchObject({ outcome: 'deny', reason: 'conflict', client: 'c', id: refused.auditId })
    expect(refused).toMatchObject({
      code: 'conflict',
      message: 'it exists already',
      hint: 'Take another.',
      retryable: false,
    })
  })

  test('inside its change leaves one record and nothing of the change', async () => {
    const refused = log.attempt(DRAFT, FROM, (attempt) =>
      attempt.commit(async ({ resources }) => {
        await resources.insert(createResource({ uri: 'https://a.example', permissions: [] }, NOW))
        attempt.note({ jti: 'never issued' })
        throw refusal()
      }),
    )
    await refusalOf(refused)
    expect(await events()).toEqual([expect.objectContaining({ outcome: 'deny', reason: 'conflict' })])
    expect((await events())[0]).not.toHaveProperty('jti')
    expect(await store.resources.list()).toEqual([])
  })

  test('may change something too, in the same transaction', async () => {
    const refused = log.attempt(DRAFT, FROM, (attempt) =>
      attempt.refuse(refusal(), ({ resources }) =>
        resources.insert(createResource({ uri: 'https://a.example', permissions: [] }, NOW)),
      ),
    )
    expect((await refusalOf(refused)).auditId).toBe((await events())[0]?.id)
    expect((await events()).map(({ outcome }) => outcome)).toEqual(['deny'])
    expect(await store.resources.list()).toHaveLength(1)
  })

  test('never harms another that commits with it', async () => {
    const outcomes = await Promise.allSettled([
      addResource('https://a.example'),
      log.attempt(DRAFT, FROM, (attempt) =>
        attempt.commit(async () => {
          throw refusal()
        }),
      ),
      addResource('https://b.example'),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect((await events()).map(({ outcome }) => outcome).sort()).toEqual(['allow', 'allow', 'deny'])
    expect(await store.resources.list()).toHaveLength(2)
  })

  test('is recorded however long the lists were that it asked for', async () => {
    const long = Array.from({ length: 2_000 }, (_, index) => `https://${index}.example`)
    const refused = log.attempt({ ...DRAFT, aud: long, client: 'c' }, FROM, async () => {
      throw refusal()
    })
    expect(await refusalOf(refused)).toMatchObject({ code: 'conflict' })
    expect(await events()).toMatchObject([{ outcome: 'deny', client: 'c', details: { cut: true } }])
  })
})

describe('an attempt that may be made again later', () => {
  const later = () => new AuthsecError('temporarily_unavailable', 'the clock was set back')

  test.each([
    { when: 'before its change', work: () => log.attempt(DRAFT, FROM, () => Promise.reject(later())) },
    {
      when: 'inside its change',
      work: () => log.attempt(DRAFT, FROM, (attempt) => attempt.commit(() => Promise.reject(later()))),
    },
  ])('is recorded as a refusal like others: $when', async ({ work }) => {
    const { auditId } = await refusalOf(work())
    expect(await events()).toMatchObject([
      { id: auditId, outcome: 'deny', reason: 'temporarily_unavailable' },
    ])
  })

  test('leaves no record where it is the store that cannot go on', async () => {
    const away = createStoreFailure('no space')
    const work = () => Promise.reject(away)
    expect(await refusalOf(log.attempt(DRAFT, FROM, work))).toBe(away)
    expect(await events()).toEqual([])
  })

  test('is told so where the record of it fails', async () => {
    store.failWrites(createStoreFailure('no space'))
    const work = () => Promise.reject(later())
    expect(await refusalOf(log.attempt(DRAFT, FROM, work))).toMatchObject({
      message: 'the clock was set back',
    })
  })
})

describe('an attempt that crashes', () => {
  test('leaves one record that says so without the message, and is thrown on as it is', async () => {
    const crash = new Error('secret-of-the-database')
    const attempt = log.attempt(DRAFT, FROM, () => Promise.reject(crash))
    await expect(attempt).rejects.toBe(crash)
    expect(await events()).toEqual([expect.objectContaining({ outcome: 'error', reason: 'internal' })])
    expect(JSON.stringify(await events())).not.toContain('secret-of-the-database')
  })

  test('inside its change leaves one record and nothing of the change', async () => {
    const crash = log.attempt(DRAFT, FROM, (attempt) =>
      attempt.commit(async ({ resources }) => {
        await resources.insert(createResource({ uri: 'https://a.example', permissions: [] }, NOW))
        throw new Error('in the middle')
      }),
    )
    await expect(crash).rejects.toThrow('in the middle')
    expect((await events()).map(({ outcome }) => outcome)).toEqual(['error'])
    expect(await store.resources.list()).toEqual([])
  })

  test('by ending without a commit is no success', async () => {
    const attempt = log.attempt(DRAFT, FROM, async () => 'answered')
    await expect(attempt).rejects.toThrow('ended without a record')
    expect((await events()).map(({ outcome }) => outcome)).toEqual(['error'])
  })

  test('by a record that is too long for the log changes nothing and is refused', async () => {
    const attempt = log.attempt(DRAFT, FROM, async ({ note, commit }) => {
      note({ aud: Array.from({ length: 2_000 }, (_, index) => `https://${index}.example`) })
      await commit(({ resources }) =>
        resources.insert(createResource({ uri: 'https://a.example', permissions: [] }, NOW)),
      )
    })
    expect(await refusalOf(attempt)).toMatchObject({ code: 'invalid_request', auditId: expect.any(String) })
    expect((await events()).map(({ outcome }) => outcome)).toEqual(['deny'])
    expect(await store.resources.list()).toEqual([])
  })
})

describe('a disk that fails', () => {
  const unavailable = createStoreFailure('no space')

  test.each([
    { what: 'a success', work: () => addResource('https://a.example') },
    { what: 'a refusal', work: () => log.attempt(DRAFT, FROM, () => Promise.reject(refusal())) },
    { what: 'a crash', work: () => log.attempt(DRAFT, FROM, () => Promise.reject(new Error('crash'))) },
  ])('turns $what into unavailable: nothing is answered that is not recorded', async ({ work }) => {
    store.failWrites(unavailable)
    expect(await refusalOf(work())).toMatchObject({ code: 'temporarily_unavailable', auditId: undefined })
    expect(await events()).toEqual([])
  })
})

describe('the log', () => {
  test('is numbered from 0 without gaps, through successes, refusals and crashes', async () => {
    expect(await log.head()).toBe(-1)
    await Promise.allSettled([
      addResource('https://a.example'),
      log.attempt(DRAFT, FROM, () => Promise.reject(refusal())),
      addResource('https://a.example'),
      log.attempt(DRAFT, FROM, () => Promise.reject(new Error('crash'))),
      addResource('https://b.example'),
    ])
    expect((await log.search({ limit: 100 })).map(({ seq }) => seq)).toEqual([0, 1, 2, 3, 4])
    expect(await log.head()).toBe(4)
  })

  test('wakes who waits for more, and not before there is more', async () => {
    let isAwake = false
    const waiting = log.appended(new AbortController().signal).then(() => {
      isAwake = true
    })
    await new Promise((resolve) => setImmediate(resolve))
    expect(isAwake).toBe(false)
    await addResource('https://a.example')
    await waiting
    expect(isAwake).toBe(true)
  })

  test('wakes for a refusal as well', async () => {
    const waiting = log.appended(new AbortController().signal)
    await refusalOf(log.attempt(DRAFT, FROM, () => Promise.reject(refusal())))
    await waiting
  })

  test('lets go of who gives up', async () => {
    const giveUp = new AbortController()
    const waiting = log.appended(giveUp.signal)
    giveUp.abort()
    await waiting
    await log.appended(giveUp.signal)
  })
})
