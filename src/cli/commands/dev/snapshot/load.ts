import type { Command } from '@commander-js/extra-typings'
import type { FormerLog } from '../../../../authority/audit/new-log.js'
import type { Context } from '../../../context.js'
import { describe } from '../../../help.js'
import {
  addOfflineFlags,
  addReplaceFlags,
  confirmReplacement,
  createLogKeeper,
  type OfflineFlags,
  type ReplaceFlags,
  readOfflineState,
} from '../../../offline-state.js'

const REPLACE = { infinitive: 'replace the state in', participle: 'replaced' }

/** What took the place of the state, and what went. */
export interface Output {
  tenant_id: string
  /** Whether the snapshot brought the keys along. */
  clone: boolean
  /** How many rows of each table the snapshot has. */
  rows: Readonly<Record<string, number>>
  /** How many delegations were signed anew. */
  renewed: number
  /** How many external services were left out, because another key-encryption key sealed their credentials. */
  dropped: number
  /** The audit log of the state that is gone; absent where there was none. */
  old?: FormerLog | undefined
  /** The directories into which audit logs were written: that of the state that is gone, and that of a clone. */
  old_logs: readonly string[]
  /** Of the audit log that begins, `authsec/<random log id>`. */
  origin: string
}

interface LoadFlags extends OfflineFlags, ReplaceFlags {
  json: boolean
}

export function addLoad(parent: Command, context: Context): void {
  const command = describe(parent.command('load'), {
    summary: 'put a copy in the place of the state',
    details:
      'In one step, and a crash leaves the state that was there or the new one. No server may run on it. The snapshot is ' +
      'read to its end before anything is changed, and an older schema is brought up to date. A new audit log begins ' +
      'that names the old one, which is written down for audit verify. Unless the snapshot is a clone the state gets ' +
      'new keys: tokens and sessions end, and delegations are signed anew. Seeded users of a dev server get other passwords at its next start. A clone keeps the keys; what was revoked since it was taken lives again.',
    examples: [
      ['authsec dev snapshot load before.jsonl --state copy', 'into a directory where nothing is yet'],
      [
        'authsec dev snapshot load team.jsonl --store postgres://authsec@db.example/authsec --kek-file kek --audit-high-water mark --old-log lost --confirm 7d0c…',
        'the tenant that goes has to be named',
      ],
    ],
    exits: [0, 2, 6, 7, 21],
    seeAlso: ['authsec dev snapshot save', 'authsec dev reset'],
  })
    .argument('<file>', 'the snapshot')
    .option('--json', 'print one JSON object', false)
  addOfflineFlags(addReplaceFlags(command)).action((file, flags) => load(context, file, flags))
}

async function load(context: Context, file: string, flags: LoadFlags): Promise<void> {
  const { io } = context
  const offline = await readOfflineState(context, flags)
  const { loadSnapshot } = await import('../../../../server/snapshot.js')
  const logs = createLogKeeper(context, offline, flags)
  const { header, end, old, origin, renewed, dropped } = await logs.around(() =>
    loadSnapshot({
      ...offline,
      file,
      auditHighWater: flags.auditHighWater,
      confirm: (current) => confirmReplacement(context, flags, current, REPLACE),
      keepLog: (files) => logs.keep(files),
      keepSnapshotLog: (files) => logs.keep(files, '-of-snapshot'),
    }),
  )
  if (dropped > 0) {
    const services = dropped === 1 ? '1 external service is' : `${dropped} external services are`
    io.warn(`${services} left out: another key-encryption key sealed the credentials`)
  }
  const { tenant_id, clone } = header
  if (flags.json) {
    io.json<Output>({ tenant_id, clone, rows: end.rows, renewed, dropped, old, old_logs: logs.kept, origin })
    return
  }
  io.record([
    ['tenant id', tenant_id],
    ['rows', String(Object.values(end.rows).reduce((sum, count) => sum + count, 0))],
    ...(clone ? [] : [['delegations', `${renewed} signed anew`] as const]),
    ...(old ? [['old log', `${old.size} records of ${old.origin}`] as const] : []),
    ...logs.kept.map((directory) => ['kept in', directory] as const),
    ['new log', origin],
  ])
}
