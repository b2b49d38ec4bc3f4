import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { AuditCondition, AuditFilterField } from '../../src/core/audit-filter.js'
import { AUDIT_EVENTS, type AuditEvent, type AuditEventType } from '../../src/core/audit-record.js'
import { AUDIT_INDEXES, reindexAudit } from '../../src/store/audit-terms.js'
import type { AuditQuery, Store } from '../../src/store/store.js'
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

    test('goes on behind what was pruned, and begins anew only where nothing is left', async () => {
      const { store } = getOpened()
      const write = (below: number | undefined, id: string) =>
        store.write(async ({ audit }) => {
          if (below !== undefined) await audit.prune(below)
          audit.append(createRecord(id))
        })
      for (const id of ['a', 'b', 'c']) await write(undefined, id)
      await write(2, 'd')
      await write(undefined, 'e')
      const seqs = async () => (await store.audit.search({ limit: 10 })).map(({ seq }) => seq)
      expect(await seqs()).toEqual([2, 3, 4])
      await write(Number.MAX_SAFE_INTEGER, 'f')
      await write(undefined, 'g')
      expect(await seqs()).toEqual([0, 1])
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

    test('keeps the address and the user agent out of what a search returns, until they are erased', async () => {
      const { store } = getOpened()
      const record = createRecord('r', { ip: '192.0.2.1', userAgent: 'curl' })
      await store.write(async ({ audit }) => {
        audit.append(record)
        audit.append(createRecord('s', { ip: '192.0.2.2' }))
        audit.append(createRecord('t'))
      })
      expect(await store.audit.search({ limit: 1 })).toEqual([{ seq: 0, record: record.record }])
      const known = [
        [0, { ip: '192.0.2.1', user_agent: 'curl' }],
        [1, { ip: '192.0.2.2', user_agent: undefined }],
      ]
      expect([...(await store.audit.findPersonal([0, 1, 2, 3]))].sort()).toEqual(known)
      expect(await store.audit.findPersonal([])).toEqual(new Map())
      await store.write(({ audit }) => audit.erasePersonal('s'))
      expect([...(await store.audit.findPersonal([0, 1]))]).toEqual(known.slice(1))
    })

    test('answers 500 random searches as a scan of all records does, and again when they are paged', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(EVENT, { maxLength: 40 }),
          fc.array(QUERY, { minLength: 20, maxLength: 20 }),
          async (drafts, queries) => {
            const { store, remove } = await open()
            try {
              const events = await keep(store, drafts)
              for (const query of queries) {
                const expected = scan(events, query)
                expect(await readAll(store, query), JSON.stringify(query)).toEqual(expected)
              }
              for (const query of queries.slice(0, 5)) {
                expect(await readPaged(store, query, 1), JSON.stringify(query)).toEqual(scan(events, query))
              }
            } finally {
              await remove()
            }
          },
        ),
        { numRuns: 25 },
      )
    }, 120_000)

    test('answers the same across the windows of a long log, whatever is asked', async () => {
      const { store } = getOpened()
      const events = await keep(store, fc.sample(EVENT, { numRuns: 2_600, seed: 7 }))
      for (const query of fc.sample(QUERY, { numRuns: 20, seed: 7 })) {
        const wide = { ...query, after: undefined, before: undefined, limit: query.limit * 40 }
        const expected = scan(events, wide)
        expect(await readAll(store, wide), JSON.stringify(wide)).toEqual(expected)
        expect(await readPaged(store, wide, 2_000), JSON.stringify(wide)).toEqual(expected)
      }
    }, 120_000)

    test('answers the same after what was derived is gone and made again', async () => {
      const { store, tamper } = getOpened()
      const events = await keep(store, fc.sample(EVENT, { numRuns: 1_200, seed: 3 }))
      const queries = fc.sample(QUERY, { numRuns: 30, seed: 3 })
      await tamper([
        `update audit_events set type = 'x', outcome = 'x', reason = 'x', client = 'x', subject = 'x', jti = 'x'`,
        `update audit_events set parent_jti = null, delegation = null, txn = 'x', policy = 'x', occurred_at = 0`,
        'delete from audit_terms',
        ...Object.keys(AUDIT_INDEXES).map((name) => `drop index ${name}`),
      ])
      const isWrong = async (query: AuditQuery) =>
        JSON.stringify(await readAll(store, query)) !== JSON.stringify(scan(events, query))
      expect((await Promise.all(queries.map(isWrong))).filter(Boolean).length).toBeGreaterThan(5)

      expect(await reindexAudit(store)).toBe(1_200)
      for (const query of queries) expect(await readAll(store, query)).toEqual(scan(events, query))
    })

    test('is made anew in steps, between which others read and write', async () => {
      const { store } = getOpened()
      const events = await keep(store, fc.sample(EVENT, { numRuns: 1_200, seed: 4 }))
      const late = { ...events[0]!, id: 'the last event' }
      const order: string[] = []
      await Promise.all([
        reindexAudit(store).then(() => order.push('made anew')),
        store.write(async ({ audit }) => audit.append(recordEvent(late))).then(() => order.push('appended')),
      ])
      expect(order).toEqual(['appended', 'made anew'])
      for (const query of fc.sample(QUERY, { numRuns: 20, seed: 4 })) {
        expect(await readAll(store, query)).toEqual(scan([...events, late], query))
      }
    })

    test('makes anew what was derived from records of an older version, which lack a column', async () => {
      const { store, tamper } = getOpened()
      const [event] = await keep(store, [{ ...OF_POLICY, policy: 'p' }])
      await tamper(['update audit_events set policy = null'])
      const query = { filter: [{ field: 'policy', operator: '=', value: 'p' }], limit: 1 } as const
      expect(await readAll(store, query)).toEqual([])
      await reindexAudit(store)
      expect(await readAll(store, query)).toEqual([{ seq: 0, event }])
    })

    test.each(FIELDS)('finds by %s what a scan finds, and not everything', async (field) => {
      const { store } = getOpened()
      const events = await keep(store, fc.sample(EVENT, { numRuns: 600, seed: 1 }))
      const values = field === 'type' ? TYPES : field === 'outcome' ? OUTCOMES : field === 'id' ? [] : IDS
      for (const value of values) {
        for (const operator of ['=', '!='] as const) {
          const query: AuditQuery = { filter: [{ field, operator, value }], limit: 1000 }
          const found = await store.audit.search(query)
          expect(found.map(({ seq }) => seq)).toEqual(scan(events, query).map(({ seq }) => seq))
          expect(found.length).toBeGreaterThan(0)
          expect(found.length).toBeLessThan(600)
        }
      }
    })
  })
}

/** Records events, and leaves the newest third of them to the search without an index. */
async function keep(store: Store, drafts: readonly Draft[]): Promise<AuditEvent[]> {
  const events = drafts.map((draft, index) => ({ ...draft, id: `event ${index}` }))
  await store.write(async ({ audit }) => {
    for (const event of events) audit.append(recordEvent(event))
  })
  await store.write(({ audit }) => audit.index(Math.floor((events.length * 2) / 3)))
  return events
}

async function readAll(store: Store, query: AuditQuery): Promise<{ seq: number; event: AuditEvent }[]> {
  return (await store.audit.search(query)).map(({ seq, record }) => ({ seq, event: JSON.parse(record) }))
}

/** The same in steps that look at so many records each, by the cursors alone. */
async function readPaged(
  store: Store,
  query: AuditQuery,
  budget: number,
): Promise<{ seq: number; event: AuditEvent }[]> {
  const found: { seq: number; event: AuditEvent }[] = []
  let rest = query
  for (let step = 0; step < 10_000; step++) {
    const { records, seen } = await store.audit.scan({ ...rest, limit: query.limit - found.length }, budget)
    const page = records.map(({ seq, record }) => ({ seq, event: JSON.parse(record) }))
    if (query.newest) found.unshift(...page)
    else found.push(...page)
    const head = await store.audit.head()
    const isOver = query.newest
      ? seen <= (query.after ?? -1) + 1
      : seen >= Math.min(head, (query.before ?? Number.POSITIVE_INFINITY) - 1)
    if (isOver || found.length >= query.limit) return found
    rest = query.newest ? { ...query, before: seen } : { ...query, after: seen }
  }
  throw new Error('the pages never end')
}

type Draft = Omit<AuditEvent, 'id'>

const TYPES = ['token.exchanged', 'client.read', 'client.updated'] as const
const OUTCOMES = ['allow', 'deny', 'error'] as const
// Few, so that they meet; and some that differ in case, or begin alike.
const IDS = ['a', 'A', 'ab', "a'b", 'ä', '🙂'] as const
const FIELDS: readonly AuditFilterField[] = [
  'type',
  'outcome',
  'reason',
  'client',
  'agent',
  'actor',
  'subject',
  'user',
  'jti',
  'parent_jti',
  'delegation',
  'txn',
  'aud',
  'permission',
  'policy',
  'kid',
  'request_id',
  'source',
  'id',
]

const ID = fc.constantFrom(...IDS)
const EVENT_TYPE = fc.constantFrom(...(Object.keys(AUDIT_EVENTS) as AuditEventType[]))
const COMMON_TYPE = fc.oneof(fc.constantFrom(...TYPES), EVENT_TYPE)
const TIME = fc.integer({ min: NOW, max: NOW + 20 })
const PARTY = fc.record({ type: fc.constantFrom('user' as const, 'client' as const), id: ID })

const OF_POLICY: Draft = {
  v: 1,
  log: 'authsec/1',
  tenant: 't',
  boot: 'b',
  type: 'policy.created',
  outcome: 'allow',
  occurred_at: new Date(NOW).toISOString(),
}

const EVENT: fc.Arbitrary<Draft> = fc
  .record(
    {
      type: COMMON_TYPE,
      outcome: fc.constantFrom(...OUTCOMES),
      occurred_at: TIME.map((time) => new Date(time).toISOString()),
      reason: ID,
      actor: PARTY,
      client: ID,
      subject: PARTY,
      act: fc.tuple(ID, ID).map(([one, two]) => ({
        sub: 's',
        client_id: one,
        act: { sub: 's', client_id: two },
      })),
      jti: ID,
      parent_jti: ID,
      delegation: ID,
      txn: ID,
      aud: fc.array(ID, { maxLength: 2 }),
      permissions: fc.record(
        { asked: fc.array(ID, { maxLength: 2 }), granted: fc.array(ID, { maxLength: 2 }) },
        { requiredKeys: [] },
      ),
      policy: ID,
      kid: ID,
      request_id: ID,
      source: ID,
    },
    { requiredKeys: ['type', 'outcome', 'occurred_at'] },
  )
  .map((fields) => ({ v: 1 as const, log: 'authsec/1', tenant: 't', boot: 'b', ...fields }))

const OPERATOR = fc.constantFrom('=', '=', '!=', '~', '!~' as const)
const TEXT = fc.oneof(ID, fc.constantFrom('*', 'a*', '*b', 'A*B', 'token.*', '.read'))

const CONDITION: fc.Arbitrary<AuditCondition> = fc.oneof(
  fc.record({ field: fc.constant('type' as const), operator: OPERATOR, value: fc.oneof(COMMON_TYPE, TEXT) }),
  fc.record({
    field: fc.constant('outcome' as const),
    operator: OPERATOR,
    value: fc.constantFrom(...OUTCOMES),
  }),
  fc.record({
    field: fc.constantFrom('since' as const, 'until' as const),
    operator: fc.constant('=' as const),
    value: TIME.map((time) => new Date(time).toISOString()),
  }),
  fc.record({ field: fc.constantFrom(...FIELDS, 'text' as const), operator: OPERATOR, value: TEXT }),
)

const QUERY: fc.Arbitrary<AuditQuery> = fc.record(
  {
    filter: fc.array(CONDITION, { maxLength: 3 }),
    after: fc.integer({ min: -1, max: 45 }),
    before: fc.integer({ min: 0, max: 45 }),
    limit: fc.integer({ min: 0, max: 50 }),
    newest: fc.boolean(),
  },
  { requiredKeys: ['limit'] },
)

function scan(
  events: readonly AuditEvent[],
  { filter = [], after = -1, before = Number.POSITIVE_INFINITY, limit, newest }: AuditQuery,
): { seq: number; event: AuditEvent }[] {
  const matching = events
    .map((event, seq) => ({ seq, event }))
    .filter(({ seq, event }) => seq > after && seq < before && filter.every((one) => looksLike(event, one)))
  return newest === true ? matching.slice(Math.max(0, matching.length - limit)) : matching.slice(0, limit)
}

// The language once more, out of its help: by regular expressions over what JSON shows of the event.
function looksLike(event: AuditEvent, { field, operator, value }: AuditCondition): boolean {
  if (field === 'since') return event.occurred_at >= value
  if (field === 'until') return event.occurred_at < value
  const isMet = listValues(event, field).some((found) => {
    if (!operator.endsWith('~')) return found === value
    const pattern = value.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')
    return new RegExp(value.includes('*') ? `^(?:${pattern})$` : pattern, 'is').test(found)
  })
  return operator.startsWith('!') ? !isMet : isMet
}

function listValues(event: AuditEvent, field: AuditFilterField): string[] {
  const { act, actor, subject, permissions, aud, ...rest } = event
  switch (field) {
    case 'agent':
      return act === undefined ? [] : [act.client_id, act.act?.client_id ?? '']
    case 'actor':
      return actor === undefined ? [] : [actor.id]
    case 'subject':
      return subject === undefined ? [] : [subject.id]
    case 'user':
      return [actor, subject].filter((party) => party?.type === 'user').map((party) => party?.id ?? '')
    case 'aud':
      return aud ?? []
    case 'permission':
      return [...(permissions?.asked ?? []), ...(permissions?.granted ?? [])]
    case 'text': {
      const texts: string[] = []
      JSON.stringify(event, (_, member) => {
        if (typeof member === 'string') texts.push(member)
        return member
      })
      return texts
    }
    default:
      return rest[field] === undefined ? [] : [String(rest[field])]
  }
}
