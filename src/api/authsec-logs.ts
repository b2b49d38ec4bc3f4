import type { AuditEvent } from '../core/audit-record.js'
import { AuthsecError } from '../core/errors.js'
import { isJsonObject, type Json, type JsonObject } from '../core/strict-json.js'
import { unexpected } from './answer.js'
import { type ApiTarget, callServer } from './http.js'

/** One record of AuthSec's logs, told as an event; it has no place in a log, only an id of its own. */
export interface LoggedEvent {
  key: string
  event: AuditEvent
}

/** The logs of an AuthSec server: pages, the newest record first, and no way to go on from a place. */
export interface AuthsecLogs {
  /** The names of those that there are. */
  readonly names: readonly string[]
  /** A page, counted from 1; none of a log that the server does not have. */
  readPage(name: string, page: number): Promise<LoggedEvent[]>
}

/** How many records a page has: the most that AuthSec gives. */
export const LOG_PAGE = 200

/** How the two eras of AuthSec are asked. In the older one the log of machines is a part of the audit log. */
const DIALECTS = [
  {
    names: ['auth', 'audit', 'm2m'],
    path: (name: string) => `/authsec/logs/${name}/paginated`,
    query: (page: number) => ({ page, limit: LOG_PAGE }),
    needsTenant: false,
  },
  {
    names: ['auth', 'audit'],
    path: (name: string) => `/logs/${name}/paginated`,
    query: (page: number) => ({ page, page_size: LOG_PAGE, sort_by: 'ts', sort_desc: 'true' }),
    needsTenant: true,
  },
] as const

/** Finds the logs of a server, in either dialect; undefined where it has none. */
export async function findAuthsecLogs(
  target: ApiTarget,
  findTenant: () => Promise<string>,
): Promise<AuthsecLogs | undefined> {
  for (const { names, path, query, needsTenant } of DIALECTS) {
    const tenant = needsTenant ? { tenant_id: await findTenant() } : {}
    const readPage: AuthsecLogs['readPage'] = async (name, page) => {
      const asked = { ...tenant, ...query(page) }
      const request = { method: 'GET', path: path(name), session: 'required', query: asked } as const
      return readRecords(await callServer(target, request)).map((record) => toEvent(name, record))
    }
    if ((await orNone(readPage('audit', 1))) === undefined) continue
    return { names, readPage: async (...page) => (await orNone(readPage(...page))) ?? [] }
  }
  return undefined
}

async function orNone<T>(reading: Promise<T>): Promise<T | undefined> {
  return reading.catch((error) => {
    if (AuthsecError.is(error, 'not_found')) return undefined
    throw error
  })
}

function readRecords(body: Json): JsonObject[] {
  const { logs, data } = isJsonObject(body) ? body : {}
  const list = logs ?? data
  // A log without records is null to AuthSec.
  if (list === null) return []
  if (Array.isArray(list)) return list.filter(isJsonObject)
  throw unexpected('the page of the log has no records')
}

/** What AuthSec calls what an event here is called otherwise. */
const TYPES: Readonly<Record<string, string>> = {
  'agent_action.evaluate': 'action.evaluated',
  'agent_identity.provision': 'identity.provisioned',
  'agent_identity.revoke': 'identity.revoked',
  'ciba_auth.initiate': 'approval.requested',
  'client.register': 'client.registered',
  'delegation_policy.create': 'policy.created',
  'delegation_policy.delete': 'policy.deleted',
  'delegation_policy.update': 'policy.updated',
  'delegation_token.delegate': 'delegation.granted',
  'device_auth.request_code': 'device.requested',
}

// A record of who logged in may have no status: then its level tells whether it went wrong.
function isFailure(status: string, level: string = ''): boolean {
  return status === '' ? /^(?:error|fatal)$/i.test(level) : !/^(?:success|allow)$/i.test(status)
}

// The records of both eras: flat and in camel case, or nested.
function toEvent(name: string, record: JsonObject): LoggedEvent {
  const event = partOf(record, 'event')
  const actor = partOf(record, 'actor')
  const object = partOf(record, 'object')
  const result = partOf(record, 'result')
  const tenant = partOf(record, 'tenant')
  const correlation = partOf(record, 'correlation')
  const family = textOf(record['tokenFamily'])
  const action =
    textOf(record['action'], event['type'], record['event_type'], record['action_type']) ??
    (family === 'delegation' ? 'token.exchanged' : family === undefined ? 'unknown' : 'token.issued')
  const status = textOf(record['status'], result['status'], record['pdpEffect']) ?? ''
  const id = textOf(record['id'], event['id'])
  const user = textOf(record['userId'], actor['id'])
  const client = textOf(record['clientId'], object['type'] === 'client' ? object['id'] : undefined)
  const [method, path] = [textOf(record['method']), textOf(record['path'])]
  const audience = textOf(record['resourceServerId'])
  return {
    // What has no id is known by all that it says.
    key: `${name}/${id ?? JSON.stringify(record)}`,
    event: {
      ...{ v: 1, id: id ?? '', log: `authsec/${name}`, boot: '' },
      tenant: textOf(record['workspaceId'], record['tenant_id'], tenant['id']) ?? '',
      occurred_at:
        textOf(record['timestamp'], record['createdAt'], record['ts'], record['processed_at']) ?? '',
      type: (Object.hasOwn(TYPES, action) ? TYPES[action] : action) as AuditEvent['type'],
      outcome: isFailure(status, textOf(record['log_level'])) ? 'deny' : 'allow',
      reason: textOf(record['error'], record['pdpReason']),
      actor: user === undefined ? undefined : { type: 'user', id: user },
      subject: subjectOf(record),
      client,
      aud: audience === undefined ? undefined : [audience],
      permissions:
        family === undefined
          ? undefined
          : { asked: textsOf(record['scopesRequested']), granted: textsOf(record['scopesGranted']) },
      request_id: textOf(record['requestId'], correlation['request_id']),
      source: method === undefined || path === undefined ? undefined : `${method} ${path}`,
      details: { action },
    },
  }
}

function partOf(record: JsonObject, name: string): JsonObject {
  const part = record[name]
  return isJsonObject(part) ? part : {}
}

function subjectOf({ subjectId, subjectType }: JsonObject): AuditEvent['subject'] {
  const id = textOf(subjectId)
  return id === undefined ? undefined : { type: subjectType === 'user' ? 'user' : 'client', id }
}

function textOf(...values: (Json | undefined)[]): string | undefined {
  const value = values.find((one) => (typeof one === 'string' && one !== '') || typeof one === 'number')
  return value === undefined ? undefined : String(value)
}

function textsOf(value: Json | undefined): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}
