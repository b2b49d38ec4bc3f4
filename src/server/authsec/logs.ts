import type { PersonalEntry } from '../../authority/audit/log.js'
import type { AuditCondition, AuditFilter } from '../../core/audit-filter.js'
import { AUDIT_EVENTS } from '../../core/audit-record.js'
import { AuthsecError } from '../../core/errors.js'
import { quote } from '../../core/printable.js'
import { authsecPaths, type Endpoint, type EndpointContext } from '../endpoint.js'
import { readQueryString } from '../fields.js'
import { formatAuditRecord, formatAuthRecord, formatMachineRecord, resourceOf } from './log-records.js'

const DIFFERENCES =
  'Derived from the one audit log; nothing is purged after 90 days. /audit/events can do more.'
const DEFAULT_LIMIT = 50
const MAX_LIMIT = 200
const MAX_NUMBER = 2 ** 31 - 1

const TYPES = Object.keys(AUDIT_EVENTS)
// Which of AuthSec's three logs an event stands in.
const AUTH_TYPES = TYPES.filter((type) => /^(?:session|login|device|approval)\./.test(type))
const MACHINE_TYPES = TYPES.filter((type) => /^(?:token\.|delegation\.(?:pulled|expired)$)/.test(type))
const AUDIT_TYPES = TYPES.filter((type) => !AUTH_TYPES.includes(type) && !MACHINE_TYPES.includes(type))

export const authLogs: Endpoint<'admin'> = {
  method: 'GET',
  paths: authsecPaths('/logs/auth/paginated'),
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'Who logged in, newest first',
  speaks: 'AuthSec B',
  differences: DIFFERENCES,
  event: 'audit.read',
  errors: 'authsec',

  handle(request, context) {
    const query = new URL(request.url).searchParams
    const action = readQueryString(query, 'action')
    const types = filterTypes(AUTH_TYPES, action)
    const asked = { types, action, allowed: readStatus(query), personal: true }
    return answerPage(query, context, asked, formatAuthRecord)
  },
}

export const auditLogs: Endpoint<'admin'> = {
  ...authLogs,
  paths: authsecPaths('/logs/audit/paginated'),
  summary: 'Who changed what, newest first',

  handle(request, context) {
    const query = new URL(request.url).searchParams
    const action = readQueryString(query, 'action')
    const resource = readQueryString(query, 'resource')
    const types = filterTypes(AUDIT_TYPES, action).filter(
      (type) => resource === undefined || resourceOf(type) === resource,
    )
    return answerPage(query, context, { types, action, resource, personal: true }, formatAuditRecord)
  },
}

export const machineLogs: Endpoint<'admin'> = {
  ...authLogs,
  paths: authsecPaths('/logs/m2m/paginated'),
  summary: 'Which client got which token, newest first',

  handle(request, context) {
    const query = new URL(request.url).searchParams
    const client = readQueryString(query, 'client_id')?.toLowerCase()
    return answerPage(query, context, { types: MACHINE_TYPES, client }, formatMachineRecord)
  },
}

export const logStatus: Endpoint<'admin'> = {
  ...authLogs,
  paths: authsecPaths('/logs/status'),
  summary: 'Which logs there are',

  handle: async () =>
    Response.json({
      enabled: true,
      backend: 'database',
      sources: { auth: true, audit: true, m2m: true },
    }),
}

/** What somebody asks one of the logs for. */
interface Asked {
  types: readonly string[]
  action?: string | undefined
  resource?: string | undefined
  allowed?: boolean | undefined
  client?: string | undefined
  /** Whether the answer holds what is kept beside the events. */
  personal?: boolean
}

async function answerPage(
  query: URLSearchParams,
  { authority, caller, provenance }: EndpointContext<'admin'>,
  asked: Asked,
  format: (entry: PersonalEntry) => object,
): Promise<Response> {
  const page = readNumber(query, 'page', 1)
  const limit = readNumber(query, 'limit', DEFAULT_LIMIT)
  // AuthSec falls back and says what it was asked for all the same.
  const used = limit >= 1 && limit <= MAX_LIMIT ? limit : DEFAULT_LIMIT
  const offset = (Math.max(page, 1) - 1) * used
  const { types, allowed, client, personal } = asked
  const { entries, total } = await authority.audit.page({ types, allowed, client, offset, limit: used })
  authority.auditReads.note(caller, { filter: describeAsked(asked), personal }, entries, provenance)
  return Response.json({ logs: entries.map(format), page, limit, total })
}

/** The same question in the language of filters; which of the logs it was is told by the source of the record. */
function describeAsked({ action, resource, allowed, client }: Asked): AuditFilter {
  const conditions: readonly (AuditCondition | undefined)[] = [
    action === undefined ? undefined : { field: 'type', operator: '=', value: action },
    resource === undefined ? undefined : { field: 'type', operator: '~', value: `${resource}.*` },
    client === undefined ? undefined : { field: 'client', operator: '=', value: client },
    allowed === undefined ? undefined : { field: 'outcome', operator: allowed ? '=' : '!=', value: 'allow' },
  ]
  return conditions.filter((condition) => condition !== undefined)
}

// What is no number counts as 0, as it does there; a number beyond every page is one.
function readNumber(query: URLSearchParams, name: string, fallback: number): number {
  const text = readQueryString(query, name)
  if (text === undefined) return fallback
  return /^-?\d+$/.test(text) ? Math.max(-MAX_NUMBER, Math.min(Number(text), MAX_NUMBER)) : 0
}

function filterTypes(types: readonly string[], action: string | undefined): readonly string[] {
  return action === undefined ? types : types.filter((type) => type === action)
}

function readStatus(query: URLSearchParams): boolean | undefined {
  const status = readQueryString(query, 'status')
  if (status === undefined) return undefined
  if (status !== 'success' && status !== 'failure') {
    throw new AuthsecError('invalid_request', `status ${quote(status)} is neither success nor failure`)
  }
  return status === 'success'
}
