import type { AuditFilter } from '../core/audit-filter.js'
import type { AuditEvent } from '../core/audit-record.js'
import { readLifetime } from '../core/audit-tree.js'
import type { AuditLog } from './audit/log.js'

/** A token that has not expired, as the log knows it. */
export interface LiveToken {
  jti: string
  /** What it is: how it was issued. */
  type: AuditEvent['type']
  client?: string | undefined
  subject?: string | undefined
  /** Milliseconds since the epoch; undefined where the record does not say. */
  expiresAt?: number | undefined
}

/** The first of them in the order of the log, and how many there are. */
export interface LiveTokens {
  tokens: readonly LiveToken[]
  total: number
}

const ISSUING = [
  'token.exchanged',
  'token.issued',
  'delegation.granted',
  'delegation.pulled',
  'session.started',
] as const
const PAGE = 1_000
/** The most that are listed. */
const MAX_LIVE_TOKENS = 10_000

/** The tokens in the log that a key signed since a moment and that are still alive, each once. */
export async function findLiveTokens(
  audit: AuditLog,
  kid: string,
  { since, now }: { since: number; now: number },
): Promise<LiveTokens> {
  const found = new Map<string, LiveToken>()
  const seen = new Set<string>()
  for (const type of ISSUING) {
    let after = -1
    for (;;) {
      const entries = await audit.search({ filter: allowed(type, since), after, limit: PAGE })
      for (const { event } of entries) {
        const token = event.kid === kid ? toLiveToken(event) : undefined
        if (token === undefined || (token.expiresAt ?? Number.POSITIVE_INFINITY) <= now) continue
        seen.add(token.jti)
        if (found.size < MAX_LIVE_TOKENS) found.set(token.jti, token)
      }
      if (entries.length < PAGE) break
      after = entries.at(-1)?.seq ?? after
    }
  }
  return { tokens: [...found.values()], total: seen.size }
}

function allowed(type: string, since: number): AuditFilter {
  return [
    { field: 'type', operator: '=', value: type },
    { field: 'outcome', operator: '=', value: 'allow' },
    { field: 'since', operator: '=', value: new Date(since).toISOString() },
  ]
}

function toLiveToken(event: AuditEvent): LiveToken | undefined {
  const { jti, type, client, subject, occurred_at: at } = event
  if (jti === undefined) return undefined
  const life = readLifetime(event)
  return {
    jti,
    type,
    client,
    subject: subject?.id,
    ...(life !== undefined && { expiresAt: Date.parse(at) + life * 1000 }),
  }
}
