import type { Command } from '@commander-js/extra-typings'
import { openLiveLog } from '../../../api/audit-log.js'
import { writeBundle } from '../../audit-bundle.js'
import { type ConnectionFlags, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'
import { contactLog } from '../../log-contact.js'

interface ExportFlags extends ConnectionFlags {
  out: string
  json: boolean
}

export function addExport(parent: Command, context: Context): void {
  const command = describe(parent.command('export'), {
    summary: 'take the audit log along',
    details:
      'A bundle is a directory with the signed head, the hashes and every record in the layout of C2SP tlog-tiles. It ' +
      'verifies on another machine with nothing but itself and the key of the log.',
    examples: [
      ['authsec audit export --format bundle --out audit-2026-08', 'everything up to now'],
      ['authsec audit verify audit-2026-08 --key authsec/7f3c…+1a2b3c4d+AX…', 'check it anywhere'],
    ],
    exits: [0, 2, 4, 5, 6, 7, 16, 18, 19, ...SERVER_EXITS],
    seeAlso: ['authsec audit verify'],
  })
    .addOption(
      parent
        .createOption('--format <format>', 'the form that it takes')
        .choices(['bundle'] as const)
        .default('bundle' as const),
    )
    .requiredOption('--out <directory>', 'where it goes; nothing may be there yet')
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(command).action((flags) => exportBundle(context, flags))
}

async function exportBundle(context: Context, flags: ExportFlags): Promise<void> {
  const { io, clock, signal } = context
  const { target } = await openConnection(context, flags)
  const source = openLiveLog(target, (ms) => clock.sleep(ms, signal))
  const { checkpoint, verifierKey } = await contactLog(context, source, target.serverUrl)
  const { origin, size, note } = checkpoint
  await writeBundle(source, { note, size }, flags.out)
  if (flags.json) {
    io.json({ origin, size, verifier_key: verifierKey, out: flags.out })
    return
  }
  io.note(`${size} records in ${flags.out}`)
  io.note(`check it with: authsec audit verify ${flags.out} --key ${verifierKey}`)
}
