import type { Command } from '@commander-js/extra-typings'
import { toPrintable } from '../../../core/printable.js'
import type { Context } from '../../context.js'
import { describe } from '../../help.js'
import { readKek } from '../../kek.js'
import { readNewPassword } from '../../password.js'
import { readSeed } from '../../seed-input.js'
import { formatCommandLine } from '../../shell-words.js'
import { addStoreFlags, type PlaceFlags, readPlace, repeatPlace } from '../../state-place.js'

/** What has been made. */
export interface Output {
  tenant_id: string
  /** The https URL by which everybody will know the server. */
  issuer: string
  /** The e-mail address of the first admin. */
  admin: string
  /** Where it is: a directory, or in words a database. */
  state: string
}

interface InitFlags extends PlaceFlags {
  issuer: string
  admin: string
  seed?: string | undefined
  kekFile?: string | undefined
  passwordStdin: boolean
  json: boolean
}

export function addInit(parent: Command, context: Context): void {
  const command = describe(parent.command('init'), {
    summary: "fill the empty state of a team's server",
    details:
      'Makes the tenant, its keys, what the seed names and the first admin, once: a state that is not empty is ' +
      'refused. The key-encryption key is yours to make and to keep; without it nothing opens the state again.',
    examples: [
      [
        'authsec dev init --state /var/lib/authsec --issuer https://authsec.example --admin ada@team.example --kek-file kek',
        'asks for the password of the admin',
      ],
      [
        'pass authsec/ada | authsec dev init --state /var/lib/authsec --issuer https://authsec.example --admin ada@team.example --kek-file kek --seed team.json --password-stdin',
        'in a script, with roles, people and policies',
      ],
      [
        'authsec dev init --store postgres://authsec@db.example/authsec --issuer https://authsec.example --admin ada@team.example --kek-file kek',
        'for several servers on one database, whose password is in PGPASSWORD',
      ],
    ],
    exits: [0, 2, 6, 7, 21, 130, 143],
    seeAlso: ['authsec dev serve', 'authsec help seed'],
  })
    .option('--state <directory>', 'where its keys and data will be kept')
    .requiredOption('--issuer <url>', 'the https URL by which everybody will know the server, for good')
    .requiredOption('--admin <email>', 'the first admin')
    .option('--seed <file>', 'who and what it starts with, as JSON; see authsec help seed')
    .option('--kek-file <file>', 'the key-encryption key, 32 bytes in base64 (AUTHSEC_KEK)')
    .option('--password-stdin', 'read the password of the admin from standard input', false)
    .option('--json', 'print one JSON object', false)
  addStoreFlags(command).action((flags) => init(context, flags))
}

async function init(context: Context, flags: InitFlags): Promise<void> {
  const { io } = context
  const { issuer, admin } = flags
  const place = await readPlace(flags)
  // Whatever can be wrong is found before somebody types a password.
  const kek = await readKek(context, flags.kekFile)
  const { initServer } = await import('../../../server/index.js')
  const seed = flags.seed === undefined ? undefined : await readSeed(flags.seed, { admin })
  const password = await readNewPassword(context, flags.passwordStdin, 'the admin')
  const made = await initServer({ ...place, issuer, kek, seed, admin: { email: admin, password } })
  if (made.withoutPassword.length > 0) {
    const who = made.withoutPassword.map((email) => toPrintable(email)).join(', ')
    io.warn(`without a password_file in the seed, and so unable to log in: ${who}`)
  }
  if (flags.json) {
    io.json<Output>({ tenant_id: made.tenantId, issuer: made.issuer, admin, state: made.place })
    return
  }
  io.record([
    ['tenant id', made.tenantId],
    ['issuer', made.issuer],
    ['admin', admin],
    ['state', made.place],
  ])
  const serve = ['authsec', 'dev', 'serve', '--mode', 'shared', '--issuer', made.issuer]
  const kekWords = flags.kekFile === undefined ? [] : ['--kek-file', flags.kekFile]
  const next = [...serve, ...repeatPlace(flags), ...kekWords, '--audit-high-water', 'FILE']
  io.note(`next: ${formatCommandLine(next)}`)
}
