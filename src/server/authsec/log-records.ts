import type { PersonalEntry } from '../../authority/audit/log.js'
import type { AuditEvent } from '../../core/audit-record.js'
import { formatTime } from '../../core/time.js'
import { statusOf } from '../problem.js'

/** A record of AuthSec's authentication log, in its newer form. */
export function formatAuthRecord({ seq, event, ip, userAgent }: PersonalEntry): object {
  return {
    id: seq,
    timestamp: formatTime(Date.parse(event.occurred_at)),
    requestId: event.request_id ?? '',
    workspaceId: event.tenant,
    actorRealm: event.actor?.type ?? 'anonymous',
    userId: userOf(event),
    action: event.type,
    status: event.outcome === 'allow' ? 'success' : 'failure',
    ipAddress: ip ?? '',
    userAgent: userAgent ?? '',
    ...(event.reason !== undefined && { error: event.reason }),
  }
}

/** A record of AuthSec's audit log, in its newer form. */
export function formatAuditRecord(entry: PersonalEntry): object {
  const { event } = entry
  const [, method = '', path = ''] = /^([A-Z]+) (\/\S*)$/.exec(event.source ?? '') ?? []
  return {
    ...formatAuthRecord(entry),
    resource: resourceOf(event.type),
    resourceId: resourceIdOf(event),
    method,
    path,
    statusCode: event.outcome === 'allow' ? 200 : statusOf(event.reason ?? 'internal'),
  }
}

/** A record of AuthSec's log of machines, in its newer form. */
export function formatMachineRecord({ event }: PersonalEntry): object {
  const effect = event.outcome === 'allow' ? 'allow' : 'deny'
  return {
    id: event.id,
    createdAt: formatTime(Date.parse(event.occurred_at)),
    workspaceId: event.tenant,
    tokenFamily: event.delegation === undefined ? 'm2m' : 'delegation',
    clientId: event.client ?? '',
    subjectType: event.subject?.type ?? 'client',
    ...(event.subject !== undefined && { subjectId: event.subject.id }),
    resourceServerId: event.aud?.[0] ?? '',
    pdpEffect: effect,
    gateEffect: effect,
    pdpAgrees: true,
    scopesRequested: event.permissions?.asked ?? [],
    scopesGranted: event.permissions?.granted ?? [],
    ...(event.reason !== undefined && { pdpReason: event.reason }),
  }
}

/** What a type of event is about: the part before the dot. */
export function resourceOf(type: string): string {
  return type.split('.', 1)[0] ?? type
}

function resourceIdOf(event: AuditEvent): string {
  switch (resourceOf(event.type)) {
    case 'policy':
      return event.policy ?? ''
    case 'delegation':
      return event.delegation ?? event.client ?? ''
    case 'resource':
      return event.aud?.[0] ?? ''
    default:
      return event.client ?? ''
  }
}

function userOf({ actor, subject }: AuditEvent): string {
  return [actor, subject].find((party) => party?.type === 'user')?.id ?? ''
}
