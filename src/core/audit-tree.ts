import type { AuditEntry, AuditEvent, AuditParty } from './audit-record.js'
import { TOKEN_ORIGINS } from './audit-trace.js'

/** One token with what became of it, as far as some events tell. */
export interface TokenNode {
  jti: string
  /** The place of the event in which it came to be; undefined where that is none of the events. */
  seq: number | undefined
  /** For whom. */
  subject: AuditParty | undefined
  /** The client that has it. */
  client: string | undefined
  aud: readonly string[]
  permissions: readonly string[]
  /** What its parent allowed and it does not. */
  dropped: readonly string[]
  /** In seconds. */
  lifetime: number | undefined
  /** What became of it, and what was refused to whoever had it. */
  life: readonly AuditEntry[]
  /** The tokens that it was exchanged for. */
  children: readonly TokenNode[]
}

/** Puts the tokens of some events in the order of their descent: those first that descend from none of the others. */
export function growTokenTree(entries: readonly AuditEntry[]): TokenNode[] {
  const origins = new Map<string, AuditEntry>()
  for (const entry of entries) {
    const { jti, type, outcome } = entry.event
    if (jti !== undefined && outcome === 'allow' && TOKEN_ORIGINS.includes(type)) origins.set(jti, entry)
  }
  const jtis = new Set(entries.flatMap(({ event: { jti } }) => (jti === undefined ? [] : [jti])))
  const parentOf = (jti: string) => origins.get(jti)?.event.parent_jti
  const met = new Set<string>()

  function grow(jti: string, parent: AuditEntry | undefined): TokenNode {
    met.add(jti)
    const origin = origins.get(jti)
    const event = origin?.event
    const permissions = event?.permissions?.granted ?? []
    return {
      jti,
      seq: origin?.seq,
      subject: event?.subject,
      client: event?.client,
      aud: event?.aud ?? [],
      permissions,
      dropped: (parent?.event.permissions?.granted ?? []).filter((one) => !permissions.includes(one)),
      lifetime: readLifetime(event),
      life: entries.filter((entry) => entry !== origin && isAbout(entry, jti)),
      children: [...jtis]
        .filter((child) => !met.has(child) && parentOf(child) === jti)
        .map((child) => grow(child, origin)),
    }
  }

  const isRoot = (jti: string) => !jtis.has(parentOf(jti) ?? '')
  return [...jtis].filter(isRoot).map((jti) => grow(jti, undefined))
}

// A refused exchange has no token of its own: it belongs to the one that was presented.
function isAbout({ event }: AuditEntry, jti: string): boolean {
  return (event.jti ?? event.parent_jti) === jti
}

/** How long the token of an event lives, in seconds; undefined where the event does not say. */
export function readLifetime(event: AuditEvent | undefined): number | undefined {
  const { expires_in, ttl_seconds } = event?.details ?? {}
  const seconds = expires_in ?? ttl_seconds
  return typeof seconds === 'number' ? seconds : undefined
}
