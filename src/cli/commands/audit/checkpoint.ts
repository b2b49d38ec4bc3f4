import type { Command } from '@commander-js/extra-typings'
import { encodeBase64 } from '../../../core/base64.js'
import { type ConnectionFlags, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'
import { contactLog, openServerLog } from '../../log-contact.js'
import { writePrivateFile } from '../../private-file.js'

/** The signed head of the log. */
export interface Output {
  /** Of the log, `authsec/<random log id>`. */
  origin: string
  /** How many records there are below it. */
  size: number
  /** The hash over all of them, in base64. */
  root: string
  /** The key that signed it, as name+id+key. */
  verifier_key: string
  /** Whether that key was known before, from elsewhere than this answer. */
  pinned: boolean
  /** The head as it was signed, with its signatures: C2SP tlog-checkpoint. */
  note: string
}

interface CheckpointFlags extends ConnectionFlags {
  out?: string | undefined
  json: boolean
}

export function addCheckpoint(parent: Command, context: Context): void {
  const command = describe(parent.command('checkpoint'), {
    summary: 'get the signed head of the audit log, to keep it elsewhere',
    details:
      'Whoever has a head of the log finds out if anything before it changes: keep it where whoever runs the server ' +
      'cannot reach, such as a git repository or a CI artefact. It is held against what this machine has seen before.',
    examples: [
      ['authsec audit checkpoint --out head.txt', 'keep the head of today'],
      ['authsec audit verify --checkpoint head.txt --require anchored', 'check the log against it later'],
    ],
    exits: [0, 2, 6, 16, 18, 19, ...SERVER_EXITS],
    seeAlso: ['authsec audit verify'],
  })
    .option('--out <file>', 'write it to a file')
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(command).action((flags) => printCheckpoint(context, flags))
}

async function printCheckpoint(context: Context, flags: CheckpointFlags): Promise<void> {
  const { io } = context
  const { target } = await openConnection(context, flags)
  const source = openServerLog(context, target)
  const { checkpoint, key, verifierKey } = await contactLog(context, source, target.serverUrl)
  const { origin, size, root, note } = checkpoint
  if (flags.out !== undefined) await writePrivateFile(flags.out, note)
  if (flags.json) {
    io.json<Output>({
      origin,
      size,
      root: encodeBase64(root),
      verifier_key: verifierKey,
      pinned: key.isPinned,
      note,
    })
    return
  }
  if (flags.out === undefined) for (const line of note.trimEnd().split('\n')) io.line(line)
  io.note(`signed with ${verifierKey}`)
}
