import {
  type AuditDraft,
  type AuditEvent,
  type AuditOutcome,
  cutText,
  encodeAuditEvent,
} from '../../core/audit-record.js'
import type { ActorClaim } from '../../core/claims.js'
import { indexAuditEvent } from '../../store/audit-terms.js'
import type { AuditRecord } from '../../store/store.js'
import { createTimeOrderedId } from '../time-ordered-id.js'

/** Where a request came from, as far as the log tells it. */
export interface Provenance {
  requestId: string
  /** The door: `POST /oauth/token`. */
  source: string
  ip?: string | undefined
  userAgent?: string | undefined
  /** The client that has proven the request to be its own, once it has: one that only says its id has not. */
  provenClient?: string | undefined
  /** Who shows a session or a token that is alive, once that is known. */
  caller?: Parties | undefined
  /** The client that holds the session which is shown, and so acts for its user. */
  act?: ActorClaim | undefined
}

/** How the log tells who somebody is. */
export type Parties = Pick<AuditDraft, 'actor' | 'subject' | 'client' | 'delegation' | 'parent_jti'>

/** The provenance of what the server does by itself. */
export const SERVER_ITSELF: Provenance = { requestId: 'server', source: 'server' }

/** Whose log it is, and which run of the server writes it. */
export interface LogPlace {
  logId: string
  tenantId: string
  bootId: string
}

/** What is known of an event and what has been learnt since, `permissions` and `details` member by member. */
export function joinDrafts(known: AuditDraft, learnt: Partial<AuditDraft>): AuditDraft {
  // Every member by name: an object that is spread and then added to is slow to make and slow to use.
  return {
    act: learnt.act ?? known.act,
    actor: learnt.actor ?? known.actor,
    aud: learnt.aud ?? known.aud,
    client: learnt.client ?? known.client,
    delegation: learnt.delegation ?? known.delegation,
    details: joinMembers(known.details, learnt.details),
    jti: learnt.jti ?? known.jti,
    kid: learnt.kid ?? known.kid,
    parent_jti: learnt.parent_jti ?? known.parent_jti,
    permissions: joinMembers(known.permissions, learnt.permissions),
    policy: learnt.policy ?? known.policy,
    reason: learnt.reason ?? known.reason,
    subject: learnt.subject ?? known.subject,
    token_hash: learnt.token_hash ?? known.token_hash,
    txn: learnt.txn ?? known.txn,
    type: learnt.type ?? known.type,
  } satisfies { [name in keyof Required<AuditDraft>]: AuditDraft[name] }
}

function joinMembers<T extends object>(known: T | undefined, learnt: T | undefined): T | undefined {
  return known && learnt ? { ...known, ...learnt } : (learnt ?? known)
}

/** Makes the record of something that has been done, which is nobody's attempt. */
export function makeAllowed(
  place: LogPlace,
  draft: AuditDraft,
  provenance: Provenance,
  now: number,
): AuditRecord {
  return makeRecord(place, { ...draft, outcome: 'allow' }, provenance, createTimeOrderedId(now), now)
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
    record: encodeAuditEvent(event),
    ip: provenance.ip,
    userAgent: provenance.userAgent && cutText(provenance.userAgent),
    ...indexAuditEvent(event),
  }
}
