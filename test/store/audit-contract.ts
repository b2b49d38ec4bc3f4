import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AUDIT_FILTER_FIELDS, type AuditFilter, matchesAuditFilter } from '../../src/core/audit-filter.js'
import { AUDIT_EVENTS, type AuditEvent, type AuditEventType } from '../../src/core/audit-record.js'
import type { AuditQuery } from '../../src/store/store.js'
import type { GetOpened, OpenStore } from './contract.js'
import { createRecord, NOW, recordEvent } from './samples.js'

/** The log: numbered without a gap, and searched as if every record were looked at. */
export function describeAudit(getOpened: GetOpened, open: OpenStore): void {
  describe('the audit log', () => {
    test('numbers records from 0 without a gap, whatever fails in between', async () => {
      const { store } = getOpened()
      const results = await Promise.allSettled(
        Array.from({ length: 400 }, (_, number) =>
          store.write(async ({ audit }) => {
            for (let part = 0; part <= number % 3; part++) audit.append(createRecord(`${number}/${part}`))
            if (number % 7 === 0) throw new Error('undone')
            if (number % 11 === 0) audit.append(createRecord('1/0'))
          }),
        ),
      )
      const kept = results.flatMap(({ status }, number) => (status === 'fulfilled' ? [number] : []))
      const expected = kept.flatMap((number) =>
        Array.from({ length: (number % 3) + 1 }, (_, part) => `record ${number}/${part}`),
      )
      expect(kept).toEqual(
        Array.from({ length: 400 }, (_, number) => number).filter((number) => number % 7 && number % 11),
      )
      const found = await store.audit.search({ limit: 10_000 })
      expect(found).toEqual(expected.map((record, seq) => ({ seq, record })))
      expect(await store.audit.head()).toBe(expected.length - 1)
    })

    test('takes thousands of records in one write', async () => {
      const { store } = getOpened()
      await store.write(async ({ audit }) => {
        for (let number = 0; number < 6000; number++) {
          audit.append(createRecord(`r${number}`, { ip: '127.0.0.1' }))
        }
      })
      expect(await store.audit.head()).toBe(5999)
    })

    test('does not show a record before it is durable', async () => {
      const { store } = getOpened()
      await store.write(async ({ audit }) => {
        audit.append(createRecord('r'))
        expect(await audit.head()).toBe(-1)
      })
      expect(await store.audit.head()).toBe(0)
    })

    test('keeps the address and the user agent out of what a search returns', async () => {
      const { store } = getOpened()
      const record = createRecord('r', { ip: '192.0.2.1', userAgent: 'curl' })
      await store.write(async ({ audit }) => audit.append(record))
      expect(await store.audit.search({ limit: 1 })).toEqual([{ seq: 0, record: record.record }])
    })

    test('answers a search as a scan of all records does', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(EVENT, { maxLength: 40 }),
          fc.array(QUERY, { maxLength: 20 }),
          async (drafts, queries) => {
            const { store, remove } = await open()
            try {
              const events = drafts.map((draft, index) => ({ ...draft, id: `event ${index}` }))
              await store.write(async ({ audit }) => {
                for (const event of events) audit.append(recordEvent(event))
              })
              for (const query of queries) {
                const found = await store.audit.search(query)
                expect(found.map(({ seq, record }) => ({ seq, event: JSON.parse(record) }))).toEqual(
                  scan(events, query),
                )
              }
            } finally {
              await remove()
            }
          },
        ),
        { numRuns: 40 },
      )
    })

    test.each(AUDIT_FILTER_FIELDS)('finds by %s what a scan finds, and not everything', async (field) => {
      const { store } = getOpened()
      const events = fc
        .sample(EVENT, { numRuns: 200, seed: 1 })
        .map((draft, index) => ({ ...draft, id: `event ${index}` }))
      await store.write(async ({ audit }) => {
        for (const event of events) audit.append(recordEvent(event))
      })
      const values = field === 'type' ? TYPES : field === 'outcome' ? OUTCOMES : IDS
      for (const value of values) {
        const query = { filters: [{ field, value }], limit: 1000 }
        const found = await store.audit.search(query)
        expect(found.map(({ seq }) => seq)).toEqual(scan(events, query).map(({ seq }) => seq))
        expect(found.length).toBeGreaterThan(0)
        expect(found.length).toBeLessThan(200)
      }
    })
  })
}

const TYPES = ['token.exchanged', 'token.*', 'client.read', 'client.*', 'c*'] as const
const OUTCOMES = ['allow', 'deny', 'error'] as const
// Few, so that they meet; and some that differ in case, or begin alike.
const IDS = ['a', 'A', 'ab', "a'b", 'ä', '🙂'] as const

const ID = fc.constantFrom(...IDS)
const EVENT_TYPE = fc.constantFrom(...(Object.keys(AUDIT_EVENTS) as AuditEventType[]))
const TIME = fc.integer({ min: NOW, max: NOW + 20 })

const EVENT: fc.Arbitrary<Omit<AuditEvent, 'id'>> = fc
  .record(
    {
      type: EVENT_TYPE,
      outcome: fc.constantFrom(...OUTCOMES),
      occurred_at: TIME.map((time) => new Date(time).toISOString()),
      reason: ID,
      client: ID,
      subject: ID.map((id) => ({ type: 'user' as const, id })),
      jti: ID,
      parent_jti: ID,
      delegation: ID,
      txn: ID,
    },
    { requiredKeys: ['type', 'outcome', 'occurred_at'] },
  )
  .map((fields) => ({ v: 1 as const, log: 'authsec/1', tenant: 't', boot: 'b', ...fields }))

const FILTER: fc.Arbitrary<AuditFilter> = fc.oneof(
  fc.record({
    field: fc.constant('type' as const),
    value: fc.oneof(EVENT_TYPE, fc.constantFrom('*', 'token.*', 'c*', 'client.r*', 'token.exchanged*', 'T*')),
  }),
  fc.record({ field: fc.constant('outcome' as const), value: fc.constantFrom(...OUTCOMES) }),
  fc.record({
    field: fc.constantFrom(...AUDIT_FILTER_FIELDS.filter((field) => field !== 'type' && field !== 'outcome')),
    value: ID,
  }),
)

const QUERY: fc.Arbitrary<AuditQuery> = fc.record(
  {
    filters: fc.array(FILTER, { maxLength: 2 }),
    after: fc.integer({ min: -1, max: 45 }),
    since: TIME,
    until: TIME,
    limit: fc.integer({ min: 0, max: 50 }),
    newest: fc.boolean(),
  },
  { requiredKeys: ['limit'] },
)

function scan(
  events: readonly AuditEvent[],
  { filters = [], after = -1, since, until, limit, newest }: AuditQuery,
): { seq: number; event: AuditEvent }[] {
  const matching = events
    .map((event, seq) => ({ seq, event }))
    .filter(({ seq, event }) => {
      const time = Date.parse(event.occurred_at)
      if (seq <= after || time < (since ?? time) || time >= (until ?? Number.POSITIVE_INFINITY)) return false
      return filters.every((filter) => matchesAuditFilter(event, filter))
    })
  return newest === true && limit > 0
    ? matching.slice(-limit)
    : newest === true
      ? []
      : matching.slice(0, limit)
}
