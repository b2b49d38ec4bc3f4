import {
  type AuditDraft,
  type AuditEvent,
  type AuditOutcome,
  encodeAuditEvent,
} from '../../core/audit-record.js'
import { indexAuditEvent } from '../../store/audit-terms.js'
import type { AuditRecord } from '../../store/store.js'

/** Where a request came from, as far as the log tells it. */
export interface Provenance {
  requestId: string
  /** The door: `POST /oauth/token`. */
  source: string
  ip?: string | undefined
  userAgent?: string | undefined
}

/** The provenance of what the server does by itself. */
export const SERVER_ITSELF: Provenance = { requestId: 'server', source: 'server' }

/** Whose log it is, and which run of the server writes it. */
export interface LogPlace {
  logId: string
  tenantId: string
  bootId: string
}

/** Makes the record of an event: its canonical bytes, what they are searched by, and what is kept beside them. */
export function makeRecord(
  { logId, tenantId, bootId }: LogPlace,
  fields: AuditDraft & { outcome: AuditOutcome },
  provenance: Provenance,
  id: string,
  now: number,
): AuditRecord {
  // In the order of its canonical form, which then has nothing to sort.
  const event: AuditEvent = {
    act: fields.act,
    actor: fields.actor,
    aud: fields.aud,
    boot: bootId,
    client: fields.client,
    delegation: fields.delegation,
    details: fields.details,
    id,
    jti: fields.jti,
    kid: fields.kid,
    log: logId,
    occurred_at: new Date(now).toISOString(),
    outcome: fields.outcome,
    parent_jti: fields.parent_jti,
    permissions: fields.permissions,
    policy: fields.policy,
    reason: fields.reason,
    request_id: provenance.requestId,
    source: provenance.source,
    subject: fields.subject,
    tenant: tenantId,
    token_hash: fields.token_hash,
    txn: fields.txn,
    type: fields.type,
    v: 1,
  } satisfies { [name in keyof Required<AuditEvent>]: AuditEvent[name] }
  return {
    ...indexAuditEvent(event),
    record: encodeAuditEvent(event),
    ip: provenance.ip,
    userAgent: provenance.userAgent?.slice(0, 1024),
  }
}
