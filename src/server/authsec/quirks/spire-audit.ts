import type { PersonalEntry } from '../../../authority/audit/log.js'
import { AUDIT_EVENTS } from '../../../core/audit-record.js'
import { formatTime } from '../../../core/time.js'
import { authsecPaths, type Endpoint, type EndpointContext } from '../../endpoint.js'
import { readQueryInteger } from '../../fields.js'

const TYPES = Object.keys(AUDIT_EVENTS)
// AuthSec sends the whole table at once.
const WHOLE_TABLE = 100_000

export const spireAuditLogs: Endpoint<'public'> = {
  method: 'GET',
  paths: authsecPaths('/spire/audit/logs'),
  access: 'public',
  modes: ['dev'],
  quirk: 'spire-audit-export',
  summary: 'Show the audit log to anybody',
  speaks: 'AuthSec A',
  differences: 'Derived from the one audit log; the filters are not read.',
  event: 'quirk.used',
  errors: 'authsec',

  handle(request, context) {
    return handOut(context, async (read) => {
      const query = new URL(request.url).searchParams
      const page = readQueryInteger(query, 'page', { min: 1, max: 1_000_000 }) ?? 1
      const limit = readQueryInteger(query, 'limit', { min: 1, max: 1_000 }) ?? 100
      const logs = await read({ offset: (page - 1) * limit, limit })
      return Response.json({ logs, page, limit })
    })
  },
}

export const exportSpireAuditLogs: Endpoint<'public'> = {
  ...spireAuditLogs,
  paths: authsecPaths('/spire/audit/logs/export'),
  summary: 'Hand the audit log to anybody',

  handle(_request, context) {
    return handOut(context, async (read) =>
      Response.json(await read({ offset: 0, limit: WHOLE_TABLE }), {
        headers: { 'content-disposition': 'attachment; filename="spire-audit-logs.json"' },
      }),
    )
  },
}

type ReadRecords = (window: { offset: number; limit: number }) => Promise<object[]>

/** Whoever is given the log is in it before they have it, with how much of it that was. */
function handOut(
  { authority: { audit }, provenance }: EndpointContext<'public'>,
  answer: (read: ReadRecords) => Promise<Response>,
): Promise<Response> {
  const details = { quirk: 'spire-audit-export' }
  return audit.attempt({ type: 'quirk.used', details }, provenance, (attempt) =>
    answer(async (window) => {
      const { entries } = await audit.page({ types: TYPES, ...window })
      attempt.note({ details: { ...details, events: entries.length, personal: true } })
      await attempt.commit()
      return entries.map(formatSpireRecord)
    }),
  )
}

function formatSpireRecord({ event, ip, userAgent }: PersonalEntry): object {
  return {
    id: event.id,
    request_id: event.request_id ?? '',
    subject: event.subject?.id ?? event.actor?.id ?? '',
    resource: event.aud?.[0] ?? '',
    action: event.type,
    decision: event.outcome === 'allow' ? 'allow' : 'deny',
    reason: event.reason ?? '',
    ...(event.policy !== undefined && { policy_id: event.policy }),
    context: event.details ?? {},
    ip_address: ip ?? '',
    user_agent: userAgent ?? '',
    timestamp: formatTime(Date.parse(event.occurred_at)),
  }
}
