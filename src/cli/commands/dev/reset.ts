import type { Command } from '@commander-js/extra-typings'
import type { FormerLog } from '../../../authority/audit/new-log.js'
import type { Context } from '../../context.js'
import { describe } from '../../help.js'
import {
  addOfflineFlags,
  addReplaceFlags,
  confirmReplacement,
  createLogKeeper,
  type OfflineFlags,
  type ReplaceFlags,
  readOfflineState,
} from '../../offline-state.js'

const EMPTY = { infinitive: 'empty the state in', participle: 'emptied' }

/** What stays, and which audit log ends and begins. */
export interface Output {
  tenant_id: string
  /** The audit log that ends. */
  old?: FormerLog | undefined
  /** The directory into which it was written; absent where nothing of it was signed. */
  old_log?: string | undefined
  /** Of the audit log that begins, `authsec/<random log id>`. */
  origin: string
}

interface ResetFlags extends OfflineFlags, ReplaceFlags {
  json: boolean
}

export function addReset(parent: Command, context: Context): void {
  const command = describe(parent.command('reset'), {
    summary: 'empty the state of a dev server',
    details:
      'The next start fills it again from its seed. What stays is the name of the tenant and the issuer, so that ' +
      'whoever points at the server finds it; clients, delegations and keys are other ones. A new audit log begins that ' +
      "names the old one, which is written down for audit verify. No server may run on it. A team's state is refused.",
    examples: [
      ['authsec dev reset', 'asks for the tenant, as authsec dev serve shows it'],
      ['authsec dev reset --confirm "$AUTHSEC_TENANT"', 'in a script'],
    ],
    exits: [0, 2, 6, 7, 21],
    seeAlso: ['authsec dev snapshot load', 'authsec dev serve'],
  }).option('--json', 'print one JSON object', false)
  addOfflineFlags(addReplaceFlags(command)).action((flags) => reset(context, flags))
}

async function reset(context: Context, flags: ResetFlags): Promise<void> {
  const { io } = context
  const offline = await readOfflineState(context, flags)
  const { resetState } = await import('../../../server/reset.js')
  const logs = createLogKeeper(context, offline, flags)
  const { tenantId, old, origin } = await logs.around(() =>
    resetState({
      ...offline,
      auditHighWater: flags.auditHighWater,
      confirm: (current) => confirmReplacement(context, flags, current, EMPTY),
      keepLog: (files) => logs.keep(files),
    }),
  )
  const [oldLog] = logs.kept
  if (flags.json) {
    io.json<Output>({ tenant_id: tenantId, old, old_log: oldLog, origin })
    return
  }
  io.record([
    ['tenant id', tenantId],
    ['old log', `${old?.size ?? 0} records of ${old?.origin}`],
    ...(oldLog === undefined ? [] : [['kept in', oldLog] as const]),
    ['new log', origin],
  ])
}
