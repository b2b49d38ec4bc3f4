import { AUDIT_OUTCOMES, AUDIT_PARTY_TYPES, type AuditEvent } from '../core/audit-record.js'
import { isJsonObject, type Json, type JsonObject } from '../core/strict-json.js'
import { unexpected } from './answer.js'

/** Without these an event cannot be told; the others may be missing, as in the logs of AuthSec itself. */
const MANDATORY = ['id', 'type', 'outcome', 'occurred_at'] as const satisfies readonly (keyof AuditEvent)[]

/** What each member of an event is, where it is there. */
const MEMBERS: Readonly<Record<keyof AuditEvent, (value: Json) => boolean>> = {
  v: (value) => value === 1,
  id: isText,
  log: isText,
  tenant: isText,
  occurred_at: isText,
  boot: isText,
  type: isText,
  outcome: (value) => isOneOf(AUDIT_OUTCOMES, value),
  reason: isText,
  actor: isParty,
  subject: isParty,
  act: isActor,
  client: isText,
  jti: isText,
  parent_jti: isText,
  delegation: isText,
  token_hash: isText,
  aud: isTexts,
  permissions: (value) =>
    isJsonObject(value) &&
    [value['asked'], value['granted']].every((list) => list === undefined || isTexts(list)),
  details: isJsonObject,
  policy: isText,
  kid: isText,
  request_id: isText,
  txn: isText,
  source: isText,
}

/**
 * Reads one event of the server; throws `server_error` naming the member that is not as agreed. The event stays as it
 * came, to the order of its members and those that nobody knows: it is what the log proves.
 */
export function readAuditEvent(value: Json | undefined): AuditEvent {
  if (!isJsonObject(value)) throw unexpected('the event is not an object')
  const missing = MANDATORY.find((name) => value[name] === undefined)
  if (missing !== undefined) throw unexpected(`the event has no ${missing}`)
  const wrong = Object.entries(MEMBERS).find(([name, isRight]) => !isRightOrMissing(value, name, isRight))
  if (wrong !== undefined) throw unexpected(`the ${wrong[0]} of an event is not what it should be`)
  return value as unknown as AuditEvent
}

function isRightOrMissing(event: JsonObject, name: string, isRight: (value: Json) => boolean): boolean {
  const value = event[name]
  return value === undefined || isRight(value)
}

function isText(value: Json | undefined): boolean {
  return typeof value === 'string'
}

function isOneOf(words: readonly string[], value: Json | undefined): boolean {
  return typeof value === 'string' && words.includes(value)
}

function isTexts(value: Json): boolean {
  return Array.isArray(value) && value.every(isText)
}

function isParty(value: Json): boolean {
  return isJsonObject(value) && isOneOf(AUDIT_PARTY_TYPES, value['type']) && isText(value['id'])
}

function isActor(value: Json): boolean {
  if (!isJsonObject(value) || !isText(value['sub']) || !isText(value['client_id'])) return false
  return value['act'] === undefined || isActor(value['act'])
}
