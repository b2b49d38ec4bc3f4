import type { Command } from '@commander-js/extra-typings'
import type { Reindexed } from '../../../server/reindex.js'
import type { Context } from '../../context.js'
import { describe } from '../../help.js'
import { addOfflineFlags, type OfflineFlags, readOfflineState } from '../../offline-state.js'

/** What has been made anew. */
export type Output = Reindexed

interface ReindexFlags extends OfflineFlags {
  json: boolean
}

export function addReindex(parent: Command, context: Context): void {
  const command = describe(parent.command('reindex'), {
    summary: 'make the search index and the hashes of the audit log anew',
    details:
      'Both follow from the records, which are what is signed: nothing is lost with them. It works on a state ' +
      'directory while no server runs on it, and on a database beside its servers, in steps that let them in between. ' +
      'Where the records are not what was signed it says so, and leaves the hashes as they are.',
    examples: [
      ['authsec dev reindex', 'the state of authsec dev serve'],
      [
        'authsec dev reindex --store postgres://authsec@db.example/authsec --kek-file kek',
        "a team's database, whose password is in PGPASSWORD",
      ],
    ],
    exits: [0, 2, 6, 7, 21],
    seeAlso: ['authsec audit search', 'authsec audit verify'],
  }).option('--json', 'print one JSON object', false)
  addOfflineFlags(command).action((flags) => runReindex(context, flags))
}

async function runReindex(context: Context, flags: ReindexFlags): Promise<void> {
  const { kek, ...place } = await readOfflineState(context, flags)
  const { reindex } = await import('../../../server/reindex.js')
  const { records, signed } = await reindex(place, kek)
  if (flags.json) context.io.json<Output>({ records, signed })
  else {
    context.io.record([
      ['records', String(records)],
      ['signed', String(signed)],
    ])
  }
}
