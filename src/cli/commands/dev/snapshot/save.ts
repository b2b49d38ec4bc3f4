import type { Command } from '@commander-js/extra-typings'
import { downloadSnapshot } from '../../../../api/snapshots.js'
import { AuthsecError } from '../../../../core/errors.js'
import type { SignedLog } from '../../../../core/snapshot.js'
import { openConnection } from '../../../connection.js'
import type { Context } from '../../../context.js'
import { SERVER_EXITS } from '../../../exit-codes.js'
import { describe } from '../../../help.js'
import { fillNewPlace } from '../../../new-place.js'
import { addOfflineFlags, type OfflineFlags, readOfflineState } from '../../../offline-state.js'

/** What was written. */
export interface Output {
  /** Where it is, as it was given. */
  file: string
  /** Whether the keys and the audit log are in it too. */
  clone: boolean
  /** How many rows of each table. */
  rows: Readonly<Record<string, number>>
  /** The audit log of the state, as far as it was signed. */
  log: SignedLog
}

interface SaveFlags extends OfflineFlags {
  clone: boolean
  json: boolean
}

export function addSave(parent: Command, context: Context): void {
  const command = describe(parent.command('save'), {
    summary: 'write a copy of the state into a file',
    details:
      'The copy is the state as it was at one moment: people, clients, resources, policies, delegations. A dev server ' +
      'that runs is asked for it; a database is read while its servers go on. It is JSON Lines and goes into either ' +
      'kind of store. Secrets are in it as they are at rest, hashed or sealed. The keys and the audit log stay behind, ' +
      'unless it is a clone: that is all of the server, and opens with its key-encryption key only.',
    examples: [
      ['authsec dev snapshot save before.jsonl', 'the state of authsec dev serve, which may go on'],
      [
        'authsec dev snapshot save team.jsonl --clone --store postgres://authsec@db.example/authsec --kek-file kek',
        "all of a team's server, whose database has its password in PGPASSWORD",
      ],
    ],
    exits: [0, 2, 4, 5, 6, 7, ...SERVER_EXITS],
    seeAlso: ['authsec dev snapshot load', 'authsec audit export'],
  })
    .argument('<file>', 'where it goes; nothing may be there yet')
    .option('--clone', 'the keys, the sessions and the audit log as well', false)
    .option('--json', 'print one JSON object', false)
  addOfflineFlags(command).action((file, flags) => save(context, file, flags))
}

async function save(context: Context, path: string, flags: SaveFlags): Promise<void> {
  const { io } = context
  const { clone, json } = flags
  const offline = await readOfflineState(context, flags)
  const { writeDurably } = await import('../../../../store/durable-file.js')
  const { saveSnapshot } = await import('../../../../server/snapshot.js')
  const { openSnapshotFile } = await import('../../../../server/snapshot-file.js')
  const end = await fillNewPlace(path, async (partial) => {
    await writeDurably(partial, async (file) => {
      const write = (chunk: string | Uint8Array) => file.writeFile(chunk)
      try {
        await saveSnapshot({ ...offline, clone }, write)
      } catch (error) {
        const server = AuthsecError.is(error, 'state_locked') ? error.details?.['server_url'] : undefined
        if (server === undefined) throw error
        const { target } = await openConnection(context, { server })
        for await (const chunk of downloadSnapshot(target, { clone })) await write(chunk)
      }
    })
    // What was sent may have been cut on its way.
    const written = await openSnapshotFile(partial)
    await written.close()
    return written.end
  })
  const rows = Object.values(end.rows).reduce((sum, count) => sum + count, 0)
  if (json) io.json<Output>({ file: path, clone, rows: end.rows, log: end.log })
  else {
    io.record([
      ['file', path],
      ['rows', String(rows)],
      ['audit log', `${clone ? 'all' : 'none'} of ${end.log.size} records of ${end.log.origin}`],
    ])
  }
}
