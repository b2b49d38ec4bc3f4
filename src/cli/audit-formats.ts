import { listAgents } from '../core/audit-filter.js'
import type { AuditEntry } from '../core/audit-record.js'
import { toPrintable } from '../core/printable.js'
import { describeType } from './audit-text.js'
import { formatJson } from './json-text.js'

/** The audit log as other programs read it, a line for each event. */
export interface EventFormat {
  /** What stands above the events. */
  header: string | undefined
  /** What ends a line. */
  end: '\n' | '\r\n'
  format(entry: AuditEntry): string
}

const PRODUCT = { vendor_name: 'AuthSec', name: 'authsec' } as const

type Column = (entry: AuditEntry) => string | number | undefined

const COLUMNS: Readonly<Record<string, Column>> = {
  seq: ({ seq }) => seq,
  occurred_at: ({ event }) => event.occurred_at,
  type: ({ event }) => event.type,
  outcome: ({ event }) => event.outcome,
  reason: ({ event }) => event.reason,
  actor_type: ({ event }) => event.actor?.type,
  actor: ({ event }) => event.actor?.id,
  subject_type: ({ event }) => event.subject?.type,
  subject: ({ event }) => event.subject?.id,
  client: ({ event }) => event.client,
  agents: ({ event }) => listAgents(event.act).join(' '),
  jti: ({ event }) => event.jti,
  parent_jti: ({ event }) => event.parent_jti,
  delegation: ({ event }) => event.delegation,
  aud: ({ event }) => join(event.aud),
  permissions_asked: ({ event }) => join(event.permissions?.asked),
  permissions_granted: ({ event }) => join(event.permissions?.granted),
  policy: ({ event }) => event.policy,
  kid: ({ event }) => event.kid,
  token_hash: ({ event }) => event.token_hash,
  txn: ({ event }) => event.txn,
  request_id: ({ event }) => event.request_id,
  source: ({ event }) => event.source,
  id: ({ event }) => event.id,
  log: ({ event }) => event.log,
  tenant: ({ event }) => event.tenant,
  boot: ({ event }) => event.boot,
  details: ({ event }) => (event.details === undefined ? undefined : formatJson(event.details)),
  ip: ({ personal }) => personal?.ip,
  user_agent: ({ personal }) => personal?.user_agent,
}

/**
 * JSON Lines; CSV (RFC 4180) for spreadsheets; API Activity of OCSF 1.3; ArcSight's Common Event Format. What an event
 * says is text in all of them: nothing of it ends a line or a field, moves a cursor or is worked out as a formula.
 */
export const EVENT_FORMATS = {
  jsonl: { header: undefined, end: '\n', format: (entry) => formatJson(entry) },
  csv: { header: Object.keys(COLUMNS).join(','), end: '\r\n', format: formatRow },
  ocsf: { header: undefined, end: '\n', format: (entry) => formatJson(toOcsf(entry)) },
  cef: { header: undefined, end: '\n', format: formatCef },
} as const satisfies Record<string, EventFormat>

function formatRow(entry: AuditEntry): string {
  return Object.values(COLUMNS)
    .map((read) => formatCell(read(entry)))
    .join(',')
}

// A spreadsheet takes a cell that begins so for a formula, also behind white space and in wide letters.
function formatCell(value: string | number | undefined): string {
  if (typeof value === 'number') return String(value)
  const text = toPrintable(String(value ?? ''))
  const harmless = /^\s*[=+\-@\uff1d\uff0b\uff0d\uff20]/.test(text) ? `'${text}` : text
  return /[",]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless
}

// Create, read, update and delete of https://schema.ocsf.io/1.3.0/classes/api_activity; 99 is what is none of them.
const ACTIVITIES: readonly (readonly [RegExp, number])[] = [
  [/\.(?:created|registered|issued|granted|started|prepared|provisioned|exchanged)$/, 1],
  [/\.(?:read|introspected|validated|pulled|opened|exported|evaluated)$/, 2],
  [/\.(?:updated|activated|deactivated|rotated|retired|tainted)$/, 3],
  [/\.(?:deleted|revoked|ended|pruned)$/, 4],
]

function toOcsf({ seq, event, personal }: AuditEntry): object {
  const { type, outcome, reason, actor, subject, occurred_at, id, tenant, log, request_id, aud } = event
  const activity = ACTIVITIES.find(([pattern]) => pattern.test(type))?.[1] ?? 99
  return {
    activity_id: activity,
    category_uid: 6,
    class_uid: 6003,
    type_uid: 600300 + activity,
    time: Date.parse(occurred_at),
    severity_id: outcome === 'allow' ? 1 : outcome === 'deny' ? 2 : 3,
    status_id: outcome === 'allow' ? 1 : 2,
    status_code: outcome,
    status_detail: reason,
    message: describeType(event),
    actor: actor?.type === 'user' ? { user: { uid: actor.id } } : { app_uid: actor?.id ?? 'unknown' },
    // Where from is personal data and stands beside the log: what is always known is who.
    src_endpoint: { uid: actor?.id ?? 'unknown', ...(personal?.ip !== undefined && { ip: personal.ip }) },
    ...(personal?.user_agent !== undefined && { http_request: { user_agent: personal.user_agent } }),
    api: { operation: type, ...(request_id !== undefined && { request: { uid: request_id } }) },
    resources: [
      ...(aud ?? []).map((uid) => ({ uid, type: 'audience' })),
      ...(subject === undefined ? [] : [{ uid: subject.id, type: subject.type }]),
    ],
    metadata: {
      version: '1.3.0',
      product: PRODUCT,
      uid: id,
      sequence: seq,
      log_name: log,
      tenant_uid: tenant,
      event_code: type,
      original_time: occurred_at,
    },
    unmapped: Object.fromEntries(UNMAPPED.map((name) => [name, event[name]])),
  }
}

const UNMAPPED = [
  ...([
    'client',
    'act',
    'jti',
    'parent_jti',
    'delegation',
    'token_hash',
    'permissions',
    'policy',
    'kid',
  ] as const),
  ...(['txn', 'boot', 'details', 'source', 'v'] as const),
]

function formatCef({ seq, event, personal }: AuditEntry): string {
  const { type, outcome, reason, actor, subject, client, jti, delegation, policy } = event
  const severity = outcome === 'allow' ? '3' : outcome === 'deny' ? '6' : '8'
  const head = [
    'CEF:0',
    PRODUCT.vendor_name,
    PRODUCT.name,
    String(event.v),
    type,
    describeType(event),
    severity,
  ]
  const labelled = [
    ['cs1', 'client', client],
    ['cs2', 'jti', jti],
    ['cs3', 'delegation', delegation],
    ['cs4', 'audience', join(event.aud)],
    ['cs5', 'permissions', join(event.permissions?.granted ?? event.permissions?.asked)],
    ['cs6', 'policy', policy],
  ] as const
  const fields: readonly (readonly [string, string | undefined])[] = [
    ['rt', String(Date.parse(event.occurred_at))],
    ['externalId', event.id],
    ['cn1Label', 'seq'],
    ['cn1', String(seq)],
    ['act', type],
    ['outcome', outcome],
    ['reason', reason],
    ['suid', actor?.id],
    ['duid', subject?.id],
    ['request', event.source],
    ['src', personal?.ip],
    ['requestClientApplication', personal?.user_agent],
    ...labelled.flatMap(([name, label, value]): [string, string | undefined][] =>
      value
        ? [
            [`${name}Label`, label],
            [name, value],
          ]
        : [],
    ),
  ]
  const extension = fields
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([name, value]) => `${name}=${toPrintable(value ?? '').replaceAll(/[\\=]/g, '\\$&')}`)
  return `${head.map((field) => toPrintable(field).replaceAll(/[\\|]/g, '\\$&')).join('|')}|${extension.join(' ')}`
}

function join(list: readonly string[] | undefined): string {
  return (list ?? []).join(' ')
}
