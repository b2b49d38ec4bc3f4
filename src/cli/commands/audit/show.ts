import type { Command } from '@commander-js/extra-typings'
import { findAuditEvent } from '../../../api/audit.js'
import { fetchAuditProof } from '../../../api/audit-log.js'
import { parseAuditProof } from '../../../core/audit-proof.js'
import { AUDIT_EVENTS, type AuditEntry } from '../../../core/audit-record.js'
import { AuthsecError } from '../../../core/errors.js'
import { toPrintable } from '../../../core/printable.js'
import type { Json } from '../../../core/strict-json.js'
import { assertHolds, type ProofState, weighProof } from '../../audit-event-proof.js'
import type { ToldEntry } from '../../audit-printer.js'
import { type ConnectionFlags, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'
import { formatJson } from '../../json-text.js'
import { contactLog, openServerLog } from '../../log-contact.js'

/** The event with its place in the log, and what its proof is worth; it is printed also where that does not hold. */
export type Output = ToldEntry & { proof: ProofPlace }

interface ProofPlace {
  /** Of the log, `authsec/<random log id>`. */
  origin: string
  /** The place that is proven, counted from 0: that of the event, unless the server lies. */
  index: number
  /** Of the log at the head that the proof leads to, in records. */
  size: number
  /** Whether the proof leads from its record to that head. */
  holds: boolean
  /** Whether the head is signed by the key that is believed. */
  signed: boolean
  /** Whether that key is known from elsewhere than the log itself. */
  pinned: boolean
}

interface ShowFlags extends ConnectionFlags {
  json: boolean
}

export function addAuditShow(parent: Command, context: Context): void {
  const command = describe(parent.command('show'), {
    summary: 'show one event of the audit log, and whether it is proven',
    details:
      'Prints every field of the record, its place in the log, and what its proof is worth: whether it leads to the ' +
      'signed head, and whether the key of that is known from elsewhere.',
    examples: [
      [
        'authsec audit show 01a21767-e5bb-7175-8f45-f378b8de3f12',
        'by the id that tokens name as authsec_audit',
      ],
    ],
    exits: [0, 2, 4, 5, 6, 16, 18, 19, ...SERVER_EXITS],
    seeAlso: ['authsec audit trace', 'authsec audit verify'],
  })
    .argument('<id>', 'the id of the event')
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(command).action((id, flags) => show(context, id, flags))
}

async function show(context: Context, id: string, flags: ShowFlags): Promise<void> {
  const { io } = context
  const { target } = await openConnection(context, flags)
  const entry = await findAuditEvent(target, id)
  const text = await fetchAuditProof(target, id)
  const { key } = await contactLog(context, openServerLog(context, target), target.serverUrl)
  const state = weighProof(parseAuditProof(text), key)
  if (flags.json) io.json<Output>({ ...entry, proof: describeProof(state) })
  else io.record([...listFields(entry), ['proof', tellProof(state)]])
  assertHolds(state)
  assertSame(entry, state)
}

function describeProof({ proof: { index, checkpoint }, holds, isSigned, key }: ProofState): ProofPlace {
  const { origin, size } = checkpoint
  return { origin, index, size, holds, signed: isSigned, pinned: key?.isPinned ?? false }
}

function tellProof({ proof: { index, checkpoint }, holds, isSigned, key }: ProofState): string {
  const place = `record ${index} of ${checkpoint.size} in ${checkpoint.origin}`
  if (!holds) return `${place}: does NOT hold`
  return `${place}: holds, ${isSigned ? 'signed' : 'NOT signed'} by ${key?.source ?? 'an unknown key'}`
}

function listFields({ seq, event }: AuditEntry): [name: string, value: string][] {
  const { type, ...rest } = event
  const meaning = Object.hasOwn(AUDIT_EVENTS, type) ? `  ${AUDIT_EVENTS[type]}` : ''
  const fields = Object.entries(rest as Record<string, Json | undefined>)
  return [
    ['seq', String(seq)],
    ['type', `${type}${meaning}`],
    ...fields.map(([name, value]): [string, string] => [toPrintable(name), formatField(value)]),
  ]
}

function formatField(value: Json | undefined): string {
  if (typeof value === 'string') return value
  const isTexts = Array.isArray(value) && value.every((item) => typeof item === 'string')
  return isTexts ? value.join(' ') : formatJson(value ?? null)
}

// The server says both: what it shows has to be what it proves.
function assertSame({ seq, event }: AuditEntry, { proof: { index, record } }: ProofState): void {
  if (seq === index && JSON.stringify(event) === reformatJson(Buffer.from(record).toString())) return
  throw new AuthsecError('audit_altered', 'the event that the server shows is not the one that it proves')
}

function reformatJson(text: string): string | undefined {
  try {
    return JSON.stringify(JSON.parse(text))
  } catch {
    return undefined
  }
}
