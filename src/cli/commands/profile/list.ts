import type { Command } from '@commander-js/extra-typings'
import type { Profile } from '../../config.js'
import type { Context } from '../../context.js'
import type { SessionPlace } from '../../credentials.js'
import { describe } from '../../help.js'
import { readSettings } from '../../settings.js'

/** The servers that are remembered. */
export type Output = ListedProfile[]

interface ListedProfile extends Profile {
  name: string
  /** Whether it is the one that counts here. */
  in_use: boolean
  /** Where its session lies; null where there is none. */
  session_in: SessionPlace | null
}

export function addProfileList(parent: Command, context: Context): void {
  describe(parent.command('list'), {
    summary: 'list the servers that are remembered',
    examples: [
      ['authsec profile list', 'with the one in use marked'],
      ["authsec profile list --json | jq -r '.[] | select(.in_use).name'", 'the name of the one in use'],
    ],
    exits: [0, 2],
    seeAlso: ['authsec profile use', 'authsec config list'],
    onlyReads: true,
  })
    .option('--json', 'print a JSON array', false)
    .action(({ json }) => list(context, json))
}

async function list(context: Context, json: boolean): Promise<void> {
  const { io, config, credentials } = context
  const { profiles } = await config.read()
  const { profile: used } = await readSettings(context, {})
  const sessions = await credentials.list()
  const rows = Object.entries(profiles).map(([name, profile]) => ({
    name,
    in_use: name === used?.value,
    ...profile,
    session_in: sessions[name]?.place ?? null,
  }))
  if (json) io.json<Output>(rows)
  else if (rows.length === 0) io.note('no profiles; authsec login makes one')
  else {
    await io.table(
      ['name', 'in use', 'server', 'tenant', 'generation', 'session in'],
      rows.map((row) => [
        row.name,
        row.in_use ? 'yes' : '',
        row.server_url,
        row.tenant_id ?? '',
        row.generation ?? '',
        row.session_in ?? '',
      ]),
    )
  }
}
