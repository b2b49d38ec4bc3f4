import { AUDIT_EVENTS, AUDIT_OUTCOMES, type AuditEvent } from './audit-record.js'
import type { ActorClaim } from './claims.js'
import { AuthsecError } from './errors.js'
import { quote } from './printable.js'
import { parseTime } from './time.js'

/** What a filter can ask for, with what that is of an event. */
export const AUDIT_FILTER_FIELDS = {
  type: 'what happened, such as token.exchanged; authsec audit types lists them',
  outcome: 'allow, deny or error',
  reason: 'why not, as an error code',
  client: 'UUID of the client that it is about',
  agent: 'UUID of a client in the chain of those who act',
  actor: 'id of who did it',
  subject: 'id of the user for whom',
  user: 'id of a user who did it, or for whom',
  jti: 'id of the token',
  parent_jti: 'id of the token that it was exchanged for',
  delegation: 'id of the delegation that it rests on',
  txn: 'what ties together everything that belongs to one task',
  aud: 'a resource that it is for',
  permission: 'a permission that was asked for or granted',
  policy: 'id of the policy',
  kid: 'id of the key that signed',
  request_id: 'id of the request',
  source: 'method and path of the request',
  id: 'id of the event, as tokens name it in authsec_audit',
  text: 'any text of the event',
} as const

export type AuditFilterField = keyof typeof AUDIT_FILTER_FIELDS

/** Is, is not; fits, does not fit. */
export type AuditFilterOperator = '=' | '!=' | '~' | '!~'

/** One condition on an event; all those of a filter hold together. */
export type AuditCondition =
  | { field: AuditFilterField; operator: AuditFilterOperator; value: string }
  /** From an instant on, or before one, in RFC 3339. */
  | { field: 'since' | 'until'; operator: '='; value: string }

/** Conditions that all hold; none hold for every event. */
export type AuditFilter = readonly AuditCondition[]

/** How the filter language is written, for the help. */
export const AUDIT_FILTER_SYNTAX = {
  'field=value': 'the field has this value',
  'field!=value': 'it does not',
  'field~text':
    'it holds the text, in whatever case; with * it fits the pattern from end to end: type~token.*',
  'field!~text': 'it does not',
  'since=time': 'from this time on: RFC 3339, epoch seconds or an age such as 15m',
  'until=time': 'before this time',
  'one two':
    'both hold; quotes keep white space together, as in source="POST /oauth/token", and take = and ~ for what they are',
} as const

/** How many conditions hold together at most. */
export const MAX_CONDITIONS = 20
/** No id is longer, and any token is. */
const MAX_RECORDED_LENGTH = 128

/**
 * Reads a filter such as `client=… outcome=deny type~token.* since=1h`; ages count from `nowMs`. Throws `usage`
 * naming the word that is none, a field, outcome, event type or time that is unknown, and more than 20 conditions.
 */
export function parseAuditFilter(text: string, nowMs: number): AuditFilter {
  const words = splitWords(text)
  if (words.length === 0) throw refuse(text)
  if (words.length > MAX_CONDITIONS) {
    throw new AuthsecError('usage', `${words.length} conditions in one filter`, {
      hint: `Give at most ${MAX_CONDITIONS}.`,
    })
  }
  return words.map((word) => parseCondition(word, nowMs))
}

/** Writes a filter as `parseAuditFilter` reads it, whatever the time is then. */
export function formatAuditFilter(filter: AuditFilter): string {
  return filter.map(({ field, operator, value }) => `${field}${operator}${quoteWord(value)}`).join(' ')
}

/**
 * Writes a filter as it may be recorded: a value that can be anything, as the address of a person or a token that was
 * pasted, stays out of what is kept for ever.
 */
export function concealAuditFilter(filter: AuditFilter): string {
  const isOpen = ({ field, value }: AuditCondition) =>
    field === 'text' || value.includes('@') || value.length > MAX_RECORDED_LENGTH
  return formatAuditFilter(
    filter.map((condition) => (isOpen(condition) ? { ...condition, value: '…' } : condition)),
  )
}

/** Whether an event meets every condition of a filter. What an event does not have is nothing, and fits nothing. */
export function matchesAuditFilter(event: AuditEvent, filter: AuditFilter): boolean {
  return filter.every((condition) => holds(event, condition))
}

/** What an event has in a field; nothing where it has none. */
export function readAuditField(event: AuditEvent, field: AuditFilterField): string[] {
  return READERS[field](event).filter((value) => value !== undefined)
}

function holds(event: AuditEvent, { field, operator, value }: AuditCondition): boolean {
  if (field === 'since') return Date.parse(event.occurred_at) >= Date.parse(value)
  if (field === 'until') return Date.parse(event.occurred_at) < Date.parse(value)
  const values = READERS[field](event)
  switch (operator) {
    case '=':
      return values.includes(value)
    case '!=':
      return !values.includes(value)
    case '~':
      return values.some((found) => fits(found, value))
    case '!~':
      return !values.some((found) => fits(found, value))
  }
}

type Found = string | undefined

const READERS: Readonly<Record<AuditFilterField, (event: AuditEvent) => readonly Found[]>> = {
  type: ({ type }) => [type],
  outcome: ({ outcome }) => [outcome],
  reason: ({ reason }) => [reason],
  client: ({ client }) => [client],
  agent: ({ act }) => listAgents(act),
  actor: ({ actor }) => [actor?.id],
  subject: ({ subject }) => [subject?.id],
  user: ({ actor, subject }) =>
    [actor, subject].flatMap((party) => (party?.type === 'user' ? [party.id] : [])),
  jti: ({ jti }) => [jti],
  parent_jti: ({ parent_jti }) => [parent_jti],
  delegation: ({ delegation }) => [delegation],
  txn: ({ txn }) => [txn],
  aud: ({ aud = [] }) => aud,
  permission: ({ permissions }) => [...(permissions?.asked ?? []), ...(permissions?.granted ?? [])],
  policy: ({ policy }) => [policy],
  kid: ({ kid }) => [kid],
  request_id: ({ request_id }) => [request_id],
  source: ({ source }) => [source],
  id: ({ id }) => [id],
  text: listTexts,
}

/** The clients in a chain of those who act, the last one first. */
export function listAgents(act: ActorClaim | undefined): string[] {
  const agents: string[] = []
  for (let actor = act; actor !== undefined; actor = actor.act) agents.push(actor.client_id)
  return agents
}

function listTexts(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null) return []
  return Object.values(value).flatMap(listTexts)
}

// Without a regular expression: a pattern comes from outside, and takes no longer than the text is long.
function fits(found: Found, pattern: string): boolean {
  if (found === undefined) return false
  const text = found.toLowerCase()
  const [first = '', ...parts] = pattern.toLowerCase().split('*')
  const last = parts.pop()
  if (last === undefined) return text.includes(first)
  if (!text.startsWith(first)) return false
  let from = first.length
  for (const part of parts) {
    const index = text.indexOf(part, from)
    if (index < 0) return false
    from = index + part.length
  }
  return text.length - last.length >= from && text.endsWith(last)
}

function splitWords(text: string): string[] {
  const next = /\s+|[^\s"]*(?:"(?:[^"\\]|\\.)*"[^\s"]*)*/sy
  const words: string[] = []
  for (let from = 0; from < text.length; from = next.lastIndex) {
    const [word = ''] = next.exec(text) ?? []
    // A quote that nothing closes.
    if (word === '') throw refuse(`${words.pop() ?? ''}${text.slice(from)}`)
    if (word.trim() !== '') words.push(word)
  }
  return words
}

function parseCondition(word: string, nowMs: number): AuditCondition {
  // A value that begins like an operator is meant as one in other languages: it has to be quoted.
  const [, name, operator, raw] = /^([a-z_]+)(!?[=~])([^=~].*)$/s.exec(word) ?? []
  if (name === undefined || raw === undefined) throw refuse(word)
  const value = unquote(raw)
  if ((name === 'since' || name === 'until') && operator === '=') {
    return { field: name, operator, value: new Date(parseTime(value, nowMs)).toISOString() }
  }
  if (!Object.hasOwn(AUDIT_FILTER_FIELDS, name)) throw refuse(word)
  const condition = { field: name, operator, value } as AuditCondition
  assertKnown(condition)
  return condition
}

function assertKnown({ field, operator, value }: AuditCondition): void {
  if (operator.endsWith('~')) {
    if (field === 'type' && !listTypes().some((type) => fits(type, value))) throw refuseType(value)
    return
  }
  if (field === 'type' && !listTypes().includes(value)) throw refuseType(value)
  if (field === 'outcome' && !AUDIT_OUTCOMES.some((outcome) => outcome === value)) {
    throw new AuthsecError('usage', `${quote(value)} is not an outcome`, {
      hint: 'Use allow, deny or error.',
    })
  }
}

function listTypes(): string[] {
  return Object.keys(AUDIT_EVENTS)
}

function refuse(word: string): AuthsecError {
  return new AuthsecError('usage', `${quote(word)} is not a filter`, {
    hint: `Write field=value or field~text with one of: ${Object.keys(AUDIT_FILTER_FIELDS).join(', ')}; or since=time.`,
  })
}

function refuseType(value: string): AuthsecError {
  const isPattern = value.includes('*')
  return new AuthsecError('usage', `${quote(value)} is not an event type`, {
    hint: isPattern
      ? 'Write type~token.* for all that fit; authsec audit types lists them.'
      : 'See authsec audit types for those that there are.',
  })
}

function quoteWord(value: string): string {
  return value === '' || /^[=~]|[\s"\\]/.test(value) ? `"${value.replaceAll(/["\\]/g, '\\$&')}"` : value
}

function unquote(text: string): string {
  return text.replaceAll(/"((?:[^"\\]|\\.)*)"/gs, (_, inner: string) => inner.replaceAll(/\\(.)/gs, '$1'))
}
