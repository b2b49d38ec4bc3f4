import type { Command } from '@commander-js/extra-typings'
import type { FormerLog } from '../../../authority/audit/new-log.js'
import { AuthsecError } from '../../../core/errors.js'
import type { Context } from '../../context.js'
import { describe } from '../../help.js'
import { openKnownLogs } from '../../known-logs.js'
import { addOfflineFlags, chooseOldLog, type OfflineFlags, readOfflineState } from '../../offline-state.js'

/** Which audit log ends and begins. */
export interface Output {
  /** The audit log that ends, at the highest head that is known to have been signed. */
  old: FormerLog
  /** How many of its records were left. */
  kept: number
  /** The directory into which they were written. */
  old_log: string
  /** Of the audit log that begins, `authsec/<random log id>`. */
  origin: string
}

interface RecoverFlags extends OfflineFlags {
  acceptLoss: boolean
  auditHighWater?: string | undefined
  oldLog?: string | undefined
  json: boolean
}

export function addRecover(parent: Command, context: Context): void {
  const command = describe(parent.command('recover'), {
    summary: 'start a new audit log where an older copy of the state was put back',
    details:
      'A server refuses a state whose audit log was signed further than it goes, or is not what was signed: that is a ' +
      'restored backup, or somebody has been at it. This writes what is left of the log down for audit verify, ' +
      'starts a new one that names the old one, and takes the keys of call tokens and sessions out of use, because ' +
      'tokens that were revoked after the copy was made would live again. Everybody logs in anew.',
    examples: [
      ['authsec dev recover --accept-loss', 'the state of authsec dev serve'],
      [
        'authsec dev recover --accept-loss --store postgres://authsec@db.example/authsec --kek-file kek --audit-high-water mark --old-log lost',
        "a team's database",
      ],
    ],
    exits: [0, 2, 6, 7, 21],
    seeAlso: ['authsec dev serve', 'authsec audit verify'],
  })
    .option('--accept-loss', 'what was recorded after the copy was made is lost, and you know it', false)
    .option(
      '--audit-high-water <file>',
      'where the server keeps the highest head of its log; needed for that of a team',
    )
    .option(
      '--old-log <directory>',
      'where what is left of the old log is written (default: in the state directory)',
    )
    .option('--json', 'print one JSON object', false)
  addOfflineFlags(command).action((flags) => runRecover(context, flags))
}

async function runRecover(context: Context, flags: RecoverFlags): Promise<void> {
  const { io } = context
  if (!flags.acceptLoss) {
    throw new AuthsecError(
      'usage',
      'what was recorded after the copy was made is lost: say that you accept it',
      {
        hint: 'Look for a newer copy first. Where there is none: --accept-loss.',
      },
    )
  }
  const offline = await readOfflineState(context, flags)
  const oldLog = chooseOldLog(context, offline, flags.oldLog)
  const { recover } = await import('../../../server/recover.js')
  const { writeBundle } = await import('../../audit-bundle.js')
  const { old, kept, origin } = await recover({
    ...offline,
    auditHighWater: flags.auditHighWater,
    seenHeads: (await openKnownLogs(context).read()).heads,
    keepLog: (files) => writeBundle(files, oldLog),
  })
  if (flags.json) {
    io.json<Output>({ old, kept, old_log: oldLog, origin })
    return
  }
  io.record([
    ['old log', old.origin],
    ['signed', `${old.size} records`],
    ['left', `${kept} records in ${oldLog}`],
    ['new log', origin],
  ])
}
