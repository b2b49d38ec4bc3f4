import { AUDIT_EVENTS, type AuditEntry } from '../core/audit-record.js'
import type { TokenNode } from '../core/audit-tree.js'
import { formatDuration } from '../core/duration.js'
import { toPrintable } from '../core/printable.js'
import { formatTime } from '../core/time.js'
import type { Style } from './io.js'

/** Tokens as printable lines: for whom, then each token under the one that it was exchanged for, with its life. */
export function formatTokenTree(tokens: readonly TokenNode[], style: Style): string[] {
  const users = new Set(tokens.map(describeUser))
  return [...users].flatMap((user) => [
    style.strong(toPrintable(user)),
    ...tokens
      .filter((token) => describeUser(token) === user)
      .flatMap((token) => formatToken(token, style, 1)),
  ])
}

function describeUser({ subject }: TokenNode): string {
  return subject === undefined ? 'nobody' : `${subject.type} ${subject.id}`
}

function formatToken(token: TokenNode, style: Style, depth: number): string[] {
  const { jti, client, aud, permissions, dropped, lifetime, life, children } = token
  const facts = [
    `token ${jti}`,
    client && `agent ${client}`,
    aud.length > 0 && `at ${aud.join(' ')}`,
    permissions.join(' '),
    dropped.length > 0 && `(dropped: ${dropped.join(' ')})`,
    lifetime !== undefined && `for ${formatDuration(lifetime)}`,
  ]
  const indent = (text: string, more = 0) => `${'  '.repeat(depth + more)}${text}`
  return [
    indent(
      facts
        .filter((fact) => typeof fact === 'string' && fact !== '')
        .map((fact) => toPrintable(String(fact)))
        .join('  '),
    ),
    ...life.map((entry) => indent(formatStep(entry, style), 1)),
    ...children.flatMap((child) => formatToken(child, style, depth + 1)),
  ]
}

function formatStep({ seq, event }: AuditEntry, style: Style): string {
  const { type, outcome, reason, permissions, occurred_at } = event
  const asked = outcome === 'allow' ? [] : (permissions?.asked ?? [])
  const words = [
    Object.hasOwn(AUDIT_EVENTS, type) ? AUDIT_EVENTS[type] : type,
    asked.length > 0 && `asked ${asked.join(' ')}`,
    reason,
  ]
  const paint = outcome === 'allow' ? style.good : style.bad
  const told = words
    .filter((word) => typeof word === 'string' && word !== '')
    .map((word) => toPrintable(String(word)))
  const time = Date.parse(occurred_at)
  const when = Number.isNaN(time) ? toPrintable(occurred_at) : formatTime(time)
  return `${paint(toPrintable(outcome))}  ${style.faint(`${seq}  ${when}`)}  ${told.join('  ')}`
}
