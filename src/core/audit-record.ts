import { canonicalJson } from './canonical-json.js'
import type { ActorClaim } from './claims.js'
import { AuthsecError } from './errors.js'
import { quote } from './printable.js'
import type { Json } from './strict-json.js'
import { concealTokens } from './token-concealing.js'

/** Every kind of event, with the words in which it is told to people. */
export const AUDIT_EVENTS = {
  'audit.exported': 'exported the audit log',
  'audit.pruned': 'took old records out of the audit log',
  'audit.read': 'read the audit log',
  'client.activated': 'activated a client',
  'client.deactivated': 'deactivated a client',
  'client.deleted': 'deleted a client',
  'client.registered': 'registered a client',
  'client.updated': 'changed a client',
  'client.read': 'looked at clients',
  'client.secret_rotated': 'gave a client another secret',
  'clock.stepped': 'noticed that the clock was set back',
  'consent.read': 'looked at the clients that a user has let in',
  'delegation.granted': 'granted a delegation',
  'delegation.read': 'looked at delegations',
  'delegation.pulled': 'pulled its base token',
  'delegation.expired': 'noticed the end of a delegation',
  'delegation.revoked': 'revoked a delegation',
  'identity.provisioned': 'gave an agent its SPIFFE identity',
  'identity.revoked': 'took an agent its SPIFFE identity',
  'action.approved': 'approved what an agent wants to do',
  'action.denied': 'denied what an agent wants to do',
  'action.evaluated': 'asked whether it may do something',
  'action.read': 'looked at what agents want to do',
  'approval.requested': 'asked a person for approval',
  'approval.approved': 'approved what a program asked for',
  'approval.denied': 'denied what a program asked for',
  'approval.read': 'looked at what waits for approval',
  'denied.summary': 'was refused more often than is told one by one',
  'device.requested': 'asked to log in on a device',
  'device.approved': 'let a device log in',
  'device.denied': 'kept a device from logging in',
  'device.read': 'looked for the code of a device',
  'kek.changed': 'sealed the state with another key-encryption key',
  'key.activated': 'let a key sign',
  'key.prepared': 'prepared a key',
  'key.read': 'looked at the keys',
  'key.retired': 'retired a key',
  'key.revoked': 'revoked a key',
  'key.tainted': 'took a suspect key out of use',
  'policy.created': 'created a policy',
  'policy.deleted': 'deleted a policy',
  'policy.read': 'looked at policies',
  'policy.updated': 'changed a policy',
  'quirk.used': 'used a dangerous quirk of AuthSec',
  'resource.created': 'registered a resource',
  'resource.deleted': 'deleted a resource',
  'resource.read': 'looked at resources',
  'role.created': 'made a role',
  'role.read': 'looked at roles',
  'role.updated': 'gave a role other permissions',
  'server.recovered': 'found that the run before had been cut off',
  'server.started': 'started the server',
  'server.stopped': 'stopped the server',
  'service.created': 'added an external service',
  'service.deleted': 'deleted an external service',
  'service.opened': 'read the credentials of an external service',
  'service.read': 'looked at external services',
  'service.updated': 'changed an external service',
  'session.ended': 'ended a session',
  'session.started': 'started a session',
  'trust.created': 'let the jobs of another issuer act as a client',
  'trust.deleted': 'let the jobs of another issuer act no longer',
  'trust.read': 'looked at which other issuers are believed',
  'state.reset': 'emptied the state and started a new audit log',
  'state.restored': 'put another copy of the state in place and started a new audit log',
  'state.saved': 'took a snapshot of the state along',
  'token.issued': 'got a token for itself',
  'token.validated': 'checked a base token',
  'token.exchanged': 'exchanged a token for a call token',
  'token.introspected': 'asked about a token',
  'token.revoked': 'revoked a token',
  'token.used': 'accepted a token',
  'user.created': 'added a user',
  'user.read': 'looked at users',
  'user.updated': 'changed a user',
} as const

export type AuditEventType = keyof typeof AUDIT_EVENTS

/** In which forms the log can be taken along. */
export const AUDIT_EXPORT_FORMATS = ['jsonl', 'csv', 'ocsf', 'cef', 'bundle'] as const

/** How what was tried ended: done, refused, or gone wrong by surprise. */
export const AUDIT_OUTCOMES = ['allow', 'deny', 'error'] as const

export type AuditOutcome = (typeof AUDIT_OUTCOMES)[number]

export const AUDIT_PARTY_TYPES = ['user', 'client', 'server'] as const

/** Someone or something in an event, by opaque id only. */
export interface AuditParty {
  type: (typeof AUDIT_PARTY_TYPES)[number]
  id: string
}

/** What else is told of an event; what is undefined is not. */
export interface AuditDetails {
  [member: string]: Json | undefined
}

/**
 * One event as it is stored, hashed and served. Ids are opaque; e-mail, address and user agent live in a side
 * table. No field ever holds a token, a secret or the arguments of a call.
 */
export interface AuditEvent {
  v: 1
  /** UUIDv7; tokens name it as `authsec_audit`. */
  id: string
  /** The origin of the log, `authsec/<random log id>`. */
  log: string
  tenant: string
  /** The time of the request, RFC 3339 with milliseconds. Order is by sequence number, never by this. */
  occurred_at: string
  /** The run of the server that wrote it. */
  boot: string
  type: AuditEventType
  outcome: AuditOutcome
  /** Why not, as an error code. */
  reason?: string | undefined
  /** Who did it. */
  actor?: AuditParty | undefined
  /** For whom. */
  subject?: AuditParty | undefined
  act?: ActorClaim | undefined
  /** The client UUID the event is about. */
  client?: string | undefined
  jti?: string | undefined
  parent_jti?: string | undefined
  delegation?: string | undefined
  /** base64url SHA-256 of the JWS signing input: the signature is malleable, this is not. */
  token_hash?: string | undefined
  aud?: string[] | undefined
  permissions?: { asked?: string[] | undefined; granted?: string[] | undefined } | undefined
  details?: AuditDetails | undefined
  policy?: string | undefined
  kid?: string | undefined
  request_id?: string | undefined
  txn?: string | undefined
  /** Through which door: the method and path of the request, or `start`. */
  source?: string | undefined
}

/** What the caller of the log decides; the rest is set where the event is appended. */
export type AuditDraft = Omit<
  AuditEvent,
  'v' | 'id' | 'log' | 'tenant' | 'occurred_at' | 'boot' | 'outcome' | 'request_id' | 'source'
>

/** An event with its place in the log. */
export interface AuditEntry {
  /** The index of its leaf, counted from 0 without gaps. */
  seq: number
  event: AuditEvent
  /** What is kept beside it, for whoever asked for that. */
  personal?: PersonalData | undefined
}

/** The refusal of whoever named an event that there is not, in a log whose first record is this one. */
export function noSuchEvent(id: string, first: number): AuthsecError {
  const ids =
    'See authsec audit search --fields seq,event.id for the ids. Tokens name theirs as authsec_audit; authsec audit trace takes their jti.'
  return new AuthsecError('not_found', `no event has the id ${quote(id)}`, {
    hint: first > 0 ? `The ${describePruned(first)}. ${ids}` : ids,
  })
}

/** What is no longer there, of a log whose first record is this one. */
export function describePruned(first: number): string {
  return `records below ${first} have been pruned`
}

/** From where an event came: kept beside it and no part of it, so that it can be erased. */
export interface PersonalData {
  ip?: string | undefined
  user_agent?: string | undefined
}

const MAX_EVENT_BYTES = 32 * 1024
const MAX_TEXT_BYTES = 1024

const utf8 = new TextEncoder()
/** Room for the longest text, to see how much of another one fits into it. */
const room = new Uint8Array(MAX_TEXT_BYTES)

/**
 * The canonical bytes of an event as text (RFC 8785): what is stored, hashed and compared. Untrusted text is
 * cut at 1 KiB per field, and holds no token; throws `invalid_request` when the event is still larger than 32 KiB,
 * because only long lists from outside can make it so.
 */
export function encodeAuditEvent(event: AuditEvent): string {
  const text = canonicalJson(needsCut(event) ? cutTexts(event) : event)
  // A code unit takes three bytes at most: almost no event has to be counted.
  if (text.length > MAX_EVENT_BYTES / 3 && utf8.encode(text).length > MAX_EVENT_BYTES) {
    throw new AuthsecError(
      'invalid_request',
      'the audit record of this request would be larger than 32 KiB',
      {
        hint: 'Name fewer permissions, resources or audiences at once.',
      },
    )
  }
  return text
}

// Looking costs nothing beside a copy, and hardly an event has anything to cut.
function needsCut(value: unknown): boolean {
  if (typeof value === 'string') {
    return fitLength(value) < value.length || value.includes('eyJ') || !value.isWellFormed()
  }
  if (typeof value !== 'object' || value === null) return false
  if (Array.isArray(value)) return value.some(needsCut)
  for (const name of Object.keys(value)) {
    if (needsCut(name) || needsCut((value as Record<string, unknown>)[name])) return true
  }
  return false
}

function cutTexts(value: unknown): unknown {
  if (typeof value === 'string') return cutText(value)
  if (Array.isArray(value)) return value.map(cutTexts)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [cutText(name), cutTexts(member)]))
}

/** Untrusted text as it may be recorded: some put a token into the name of a tool, a filter, an audience. */
export function cutText(text: string): string {
  const safe = concealTokens(text).toWellFormed()
  return safe.slice(0, fitLength(safe))
}

/** How many code units of a text fit into 1 KiB. */
function fitLength(text: string): number {
  return text.length <= MAX_TEXT_BYTES / 3 ? text.length : utf8.encodeInto(text, room).read
}
