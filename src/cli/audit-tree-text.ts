import type { AuditEntry } from '../core/audit-record.js'
import type { TokenNode } from '../core/audit-tree.js'
import { formatDuration } from '../core/duration.js'
import { toPrintable } from '../core/printable.js'
import { describeType, formatFacts, formatOccurrence } from './audit-text.js'
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
    indent(formatFacts(facts)),
    ...life.map((entry) => indent(formatStep(entry, style), 1)),
    ...children.flatMap((child) => formatToken(child, style, depth + 1)),
  ]
}

function formatStep({ seq, event }: AuditEntry, style: Style): string {
  const { outcome, reason, permissions } = event
  const asked = outcome === 'allow' ? [] : (permissions?.asked ?? [])
  const told = formatFacts([describeType(event), asked.length > 0 && `asked ${asked.join(' ')}`, reason])
  const paint = outcome === 'allow' ? style.good : style.bad
  const place = style.faint(`${seq}  ${formatOccurrence(event)}`)
  return `${paint(toPrintable(outcome))}  ${place}  ${told}`
}
