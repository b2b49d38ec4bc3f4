import { type AuditCondition, type AuditFilter, listAgents } from './audit-filter.js'
import type { AuditEntry, AuditEvent } from './audit-record.js'

/** What an id can be the id of, with the field of an event in which it then stands. */
const SUBJECTS = [
  { kind: 'token', field: 'jti' },
  { kind: 'token', field: 'parent_jti' },
  { kind: 'event', field: 'id' },
  { kind: 'delegation', field: 'delegation' },
  { kind: 'client', field: 'client' },
  { kind: 'policy', field: 'policy' },
  { kind: 'task', field: 'txn' },
] as const

export type TraceKind = (typeof SUBJECTS)[number]['kind']

/** Everything that led to one thing and that came of it, in the order of the log. */
export interface AuditTrace {
  kind: TraceKind
  id: string
  entries: readonly AuditEntry[]
  /** Whether there is more than a trace holds. */
  isCut: boolean
}

/** Finds the newest events that fit, ascending: `most` of them, and before a sequence number where one is given. */
export type FindEvents = (
  filter: AuditFilter,
  most: number,
  before?: number,
) => Promise<readonly AuditEntry[]>

/** So many events of one kind are looked at. */
const MOST_EVENTS = 1_000
/** So many descendants of a token are followed, and so many clients, policies and delegations. */
const MOST_FOLLOWED = 100

/** The types of event in which a token comes to be. */
export const TOKEN_ORIGINS: readonly string[] = [
  'delegation.granted',
  'session.started',
  'token.issued',
  'token.exchanged',
]

const is = (field: AuditCondition['field'], value: string): AuditCondition => ({
  field,
  operator: '=',
  value,
})
const isNoType = (pattern: string): AuditCondition => ({ field: 'type', operator: '!~', value: pattern })

const NO_READS = isNoType('*.read')
const NO_PULLS = isNoType('delegation.pulled')

/**
 * Traces a token, an event, a delegation, a client, a policy or a task by its id: registration, policy, grant, pull,
 * exchange, use and revocation, with the tokens that descend from it and what was refused on the way. Undefined where
 * the log knows no such id.
 */
export async function traceAudit(id: string, find: FindEvents): Promise<AuditTrace | undefined> {
  for (const { kind, field } of SUBJECTS) {
    const trail = createTrail(find)
    const seeds = await trail.collect([is(field, id), NO_READS])
    if (seeds.length === 0) continue
    if (kind === 'token') await followToken(trail, id)
    else if (kind === 'event') await followEvent(trail, seeds)
    else await followAll(trail, kind === 'client' ? id : undefined)
    await addSurroundings(trail)
    return { kind, id, entries: trail.entries(), isCut: trail.isCut() }
  }
  return undefined
}

/** What has been found so far. */
interface Trail {
  /** Finds more, of which what `fits` is kept. */
  collect(filter: AuditFilter, options?: CollectOptions): Promise<readonly AuditEntry[]>
  entries(): readonly AuditEntry[]
  isCut(): boolean
  cut(): void
}

interface CollectOptions {
  /** Only the last one before a sequence number. */
  lastBefore?: number | undefined
  fits?: (entry: AuditEntry) => boolean
}

function createTrail(find: FindEvents): Trail {
  const kept = new Map<number, AuditEntry>()
  let isCut = false
  return {
    async collect(filter, { lastBefore, fits = () => true } = {}) {
      const most = lastBefore === undefined ? MOST_EVENTS : 1
      const found = await find(filter, most, lastBefore)
      if (found.length === MOST_EVENTS) isCut = true
      const fitting = found.filter(fits)
      for (const entry of fitting) kept.set(entry.seq, entry)
      return fitting
    },
    entries: () => [...kept.values()].sort((one, other) => one.seq - other.seq),
    isCut: () => isCut,
    cut() {
      isCut = true
    },
  }
}

async function followEvent(trail: Trail, [seed]: readonly AuditEntry[]): Promise<void> {
  const { jti, parent_jti } = seed?.event ?? {}
  if (jti !== undefined) await followToken(trail, jti)
  // A refusal has a parent, and nothing came of it.
  else if (parent_jti !== undefined) await followUp(trail, parent_jti, seed?.seq)
}

async function followToken(trail: Trail, jti: string): Promise<void> {
  const own = await trail.collect([is('jti', jti), NO_READS])
  const { event, seq } = findOrigin(own) ?? {}
  if (event?.parent_jti !== undefined) await followUp(trail, event.parent_jti, seq)
  await followDown(trail, jti)
}

/** The tokens from which one descends. Of the pulls of a base token only the last one before has led to it. */
async function followUp(trail: Trail, jti: string, before: number | undefined): Promise<void> {
  const met = new Set<string>()
  let [next, child]: [string | undefined, number | undefined] = [jti, before]
  while (next !== undefined && !met.has(next)) {
    met.add(next)
    const own = await trail.collect([is('jti', next), NO_PULLS, NO_READS])
    const pulled = [is('jti', next), is('type', 'delegation.pulled'), is('outcome', 'allow')]
    if (child !== undefined) await trail.collect(pulled, { lastBefore: child })
    const origin = findOrigin(own)
    child = origin?.seq
    next = origin?.event.parent_jti
  }
}

/** The tokens that descend from one, and what was refused to whoever had one of them. */
async function followDown(trail: Trail, jti: string): Promise<void> {
  const met = new Set([jti])
  for (const parent of met) {
    for (const { event } of await trail.collect([is('parent_jti', parent)])) {
      if (event.jti === undefined || met.has(event.jti)) continue
      if (met.size > MOST_FOLLOWED) return trail.cut()
      met.add(event.jti)
      await trail.collect([is('jti', event.jti)])
    }
  }
}

/** Where there may be many tokens, what became of them is looked for all at once. */
async function followAll(trail: Trail, client: string | undefined): Promise<void> {
  // Its tokens were exchanged on by others, who then act after it.
  if (client !== undefined) await trail.collect([is('agent', client)])
  for (const id of valuesOf(trail, ({ delegation }) => [delegation])) {
    await trail.collect([is('delegation', id), NO_READS])
  }
  const tokens = new Set(trail.entries().flatMap(({ event: { jti } }) => (jti === undefined ? [] : [jti])))
  const fits = ({ event: { jti } }: AuditEntry) => jti !== undefined && tokens.has(jti)
  for (const type of ['token.revoked', 'token.introspected', 'delegation.granted'] as const) {
    await trail.collect([is('type', type)], { fits })
  }
}

/** What it all rests on: the delegations, the policies and the clients; and what else belongs to the same task. */
async function addSurroundings(trail: Trail): Promise<void> {
  const noTokens = [isNoType('token.*'), NO_READS]
  const noGrants = [...noTokens, isNoType('delegation.*')]
  const wanted: AuditFilter[] = [
    ...valuesOf(trail, ({ delegation }) => [delegation]).map((id) => [
      is('delegation', id),
      NO_PULLS,
      ...noTokens,
    ]),
    ...valuesOf(trail, ({ policy }) => [policy]).map((id) => [is('policy', id), ...noGrants]),
    ...valuesOf(trail, ({ client, act }) => [client, ...listAgents(act)]).map((id) => [
      is('client', id),
      ...noGrants,
    ]),
    ...valuesOf(trail, ({ txn }) => [txn]).map((id) => [is('txn', id), ...noTokens]),
  ]
  for (const filter of wanted) await trail.collect(filter)
}

/** What the events of a trail name, at most so many of them as a trace follows. */
function valuesOf(trail: Trail, read: (event: AuditEvent) => readonly (string | undefined)[]): string[] {
  const values = trail.entries().flatMap(({ event }) => read(event))
  const distinct = [...new Set(values)].filter((value) => value !== undefined)
  if (distinct.length > MOST_FOLLOWED) trail.cut()
  return distinct.slice(0, MOST_FOLLOWED)
}

/** The event by which a token came to be. */
function findOrigin(entries: readonly AuditEntry[]): AuditEntry | undefined {
  return entries.find(({ event: { type, outcome } }) => outcome === 'allow' && TOKEN_ORIGINS.includes(type))
}
