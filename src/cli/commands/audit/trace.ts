import type { Command } from '@commander-js/extra-typings'
import { readNewestEvents } from '../../../api/audit.js'
import { type AuditEntry, type AuditParty, describePruned } from '../../../core/audit-record.js'
import { type AuditTrace, type TraceKind, traceAudit } from '../../../core/audit-trace.js'
import { growTokenTree, type TokenNode } from '../../../core/audit-tree.js'
import { AuthsecError } from '../../../core/errors.js'
import { quote } from '../../../core/printable.js'
import { isUuid, readUuid } from '../../../core/uuid.js'
import type { ToldEntry } from '../../audit-printer.js'
import { formatEntry } from '../../audit-text.js'
import { formatTokenTree } from '../../audit-tree-text.js'
import { findClientId } from '../../client-reference.js'
import { type Connection, type ConnectionFlags, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'
import { greetLog } from '../../log-contact.js'

/** The whole story of one thing: its events, and the tokens in the order of their descent. */
export interface Output {
  /** What the id is the id of; `task` is that of a txn. */
  kind: TraceKind
  /** That of a client also where it was asked for by its name. */
  id: string
  /** In the order of the log. */
  events: readonly ToldEntry[]
  /** Those that descend from none of the others. */
  tokens: readonly TokenOutput[]
  /** Whether there is more than a trace holds. */
  cut: boolean
}

/** One token, with what became of it. */
interface TokenOutput {
  jti: string
  aud: readonly string[]
  permissions: readonly string[]
  /** The permissions that its parent had and it has not. */
  dropped: readonly string[]
  /** For whom; null where no event tells. */
  subject: AuditParty | null
  /** The UUID of the client that has it; null where no event tells. */
  client: string | null
  /** In seconds; null where no event tells. */
  lifetime: number | null
  /** The place of the event in which it came to be; null where that is none of the events. */
  seq: number | null
  /** The places of the events that tell what became of it, and what was refused to whoever had it. */
  life: readonly number[]
  /** The tokens that it was exchanged for. */
  children: readonly TokenOutput[]
}

export function addTrace(parent: Command, context: Context): void {
  const command = describe(parent.command('trace'), {
    summary: 'tell the whole story of a token, a delegation or a client',
    details:
      'Prints what led to it and what came of it, in the order of the log: registration, policy, grant, pull, exchange, ' +
      'use and revocation, with the tokens that descend from it and what was refused on the way.',
    examples: [
      [
        'authsec audit trace 01a21767-e5bc-7a7f-82e7-5a456d95efd5',
        'a token by its jti, or an event by its id',
      ],
      ['authsec audit trace demo-agent --tree', 'who acted for whom, and what each hop narrowed'],
    ],
    exits: [0, 2, 4, 5, 6, 7, 16, 18, 19, ...SERVER_EXITS],
    seeAlso: ['authsec audit search', 'authsec audit show', 'authsec token decode'],
  })
    .argument(
      '<id>',
      'jti of a token; id of an event, delegation, policy or task (txn); UUID or name of a client',
    )
    .option('--tree', 'the tokens, each under the one that it was exchanged for', false)
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(command).action((id, flags) => trace(context, id, flags))
}

interface TraceFlags extends ConnectionFlags {
  tree: boolean
  json: boolean
}

async function trace(context: Context, id: string, flags: TraceFlags): Promise<void> {
  const { io } = context
  const connection = await openConnection(context, flags)
  await greetLog(context, connection.target)
  const { first, ...found } = await findTrace(connection, id)
  const tokens = growTokenTree(found.entries)
  if (flags.json) {
    io.json<Output>({
      kind: found.kind,
      id: found.id,
      events: found.entries,
      tokens: tokens.map(describeToken),
      cut: found.isCut,
    })
  } else {
    const style = await io.style()
    const lines = flags.tree
      ? formatTokenTree(tokens, style)
      : found.entries.map((entry) => formatEntry(entry, style, io.isTerminal))
    for (const line of lines) io.line(line)
  }
  if (first > 0) io.note(`the ${describePruned(first)}: what came first may be among them`)
  if (found.isCut) io.warn('there is more than a trace holds: see authsec audit search')
}

async function findTrace(connection: Connection, reference: string): Promise<AuditTrace & { first: number }> {
  let first = 0
  const find = async (
    filter: Parameters<typeof readNewestEvents>[1]['filter'],
    last: number,
    before?: number,
  ) => {
    const page = await readNewestEvents(connection.target, { filter, last, before })
    first = page.first
    return page.entries
  }
  const id = readUuid(reference) ?? reference
  const found = await traceAudit(id, find)
  if (found !== undefined) return { ...found, first }
  if (!isUuid(reference)) {
    const clientId = await findClientId(connection, reference).catch((error) => {
      // Most of what may be given here is no client.
      if (AuthsecError.is(error, 'client_not_found')) return undefined
      throw error
    })
    const client = clientId === undefined ? undefined : await traceAudit(clientId, find)
    if (client !== undefined) return { ...client, first }
  }
  throw new AuthsecError('not_found', `the audit log knows no ${quote(reference)}`, {
    hint: `${first > 0 ? `The ${describePruned(first)}. ` : ''}Give the jti of a token, or the id of an event, delegation, policy, task or client; see authsec audit search.`,
  })
}

// The events stand beside: a token names its own by their numbers.
function describeToken({ life, children, subject, client, seq, lifetime, ...token }: TokenNode): TokenOutput {
  return {
    ...token,
    subject: subject ?? null,
    client: client ?? null,
    lifetime: lifetime ?? null,
    seq: seq ?? null,
    life: life.map((entry: AuditEntry) => entry.seq),
    children: children.map(describeToken),
  }
}
