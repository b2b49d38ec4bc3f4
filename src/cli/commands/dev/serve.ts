import type { Command } from '@commander-js/extra-typings'
import { parseDuration } from '../../../core/duration.js'
import type { Context } from '../../context.js'
import { type DevServerOutput, serveDeveloper } from '../../dev-server.js'
import { parseSeconds, parseWholeNumber } from '../../flags.js'
import { describe } from '../../help.js'
import {
  assertFlagsFit,
  collectAddress,
  collectHost,
  collectOrigin,
  parseKeySource,
  parseNames,
} from '../../serving-flags.js'
import { addStoreFlags } from '../../state-place.js'
import { serveTeam, type TeamServerOutput } from '../../team-server.js'

/** What a program needs to know of the server, once it is ready. */
export type Output = DevServerOutput | TeamServerOutput

const DEFAULT_PORT = 7468
const DEFAULT_HOST = '127.0.0.1'

export function addServe(parent: Command, context: Context): void {
  const command = describe(parent.command('serve'), {
    summary: 'run an AuthSec server on this machine, or one that a team shares',
    details:
      'Runs until Ctrl-C. It comes with a tenant, people, APIs, the agent demo-agent and its delegation. Its ' +
      'profile dev is what every command uses when nothing else says otherwise. Every process on this machine ' +
      'can act as every agent. With --mode shared it serves what authsec dev init has made, behind a proxy that ' +
      'terminates TLS; there everybody proves who they are, and it writes no profile.',
    examples: [
      ['authsec dev serve', 'with a state that is still there tomorrow'],
      [
        'authsec dev serve --ephemeral --port 0 --ready-file ready.json',
        'for a test: on a free port, in memory',
      ],
      [
        'authsec dev serve --mode shared --issuer https://authsec.example --state /var/lib/authsec --kek-file kek --audit-high-water high-water',
        'for a team, behind a proxy',
      ],
      [
        'authsec dev serve --mode shared --issuer https://authsec.example --store postgres://authsec@db.example/authsec --kek-file kek --audit-high-water high-water',
        'one of several servers of a team; the password of the database is in PGPASSWORD',
      ],
    ],
    exits: [0, 2, 6, 7, 21, 130, 143],
    seeAlso: ['authsec dev init', 'authsec token mint', 'authsec audit tail'],
  })
    .addOption(
      parent
        .createOption('--mode <mode>', 'for one developer, or for a team')
        .choices(['dev', 'shared'] as const)
        .default('dev' as 'dev' | 'shared'),
    )
    .option('--port <n>', 'the port; 0 picks a free one', parseWholeNumber(0, 65_535), DEFAULT_PORT)
    .option('--host <address>', 'the address to listen on; loopback only in mode dev', DEFAULT_HOST)
    .option('--state <directory>', 'where its keys and data are kept (default in mode dev: one of yours)')
    .addOption(
      parent
        .createOption('--ephemeral', 'keep nothing, and write no profile')
        .default(false)
        .conflicts('state'),
    )
    .option('--seed <file>', 'what a new state starts with, as JSON; see authsec help seed')
    .option('--quirks <names>', 'dangerous habits of the real server to serve too, by name', parseNames, [])
    .addOption(
      parent
        .createOption('--ciba <mode>', 'who answers what programs ask people for; people unless it is said')
        .choices(['manual', 'auto-approve', 'auto-deny'] as const),
    )
    .option('--issuer <url>', 'the https URL by which everybody knows the server')
    .option('--kek-file <file>', 'the key-encryption key, 32 bytes in base64 (AUTHSEC_KEK)')
    .option(
      '--keys <source>',
      'persistent (default), ephemeral: new ones at every start, in a state of its own, or import=FILE: those of a new state, as JWK Set',
      parseKeySource,
    )
    .option('--allow-host <name>', 'another name the server answers to; repeatable', collectHost, [])
    .option(
      '--cors <origin>',
      'an origin whose pages may exchange and introspect tokens; repeatable',
      collectOrigin,
      [],
    )
    .addOption(
      parent
        .createOption(
          '--rate-limits <set>',
          'how many requests one address may send; off in mode dev, shared in mode shared unless it is said',
        )
        .choices(['off', 'authsec', 'shared'] as const),
    )
    .option(
      '--trust-proxy <address>',
      'a proxy whose X-Forwarded-For is believed; repeatable',
      collectAddress,
      [],
    )
    .option(
      '--rotate-every <duration>',
      'how long a key signs before the next one does (default 30d)',
      parseSeconds,
    )
    .option(
      '--publish-ahead <duration>',
      'how long a key is published before it signs (default 11m)',
      parseDuration,
    )
    .option('--max-call-ttl <duration>', 'the longest life of a call token (default 5m)', parseSeconds)
    .option(
      '--clock-skew <duration>',
      'how far the clock of a verifier may be off (default 1m)',
      parseDuration,
    )
    .option(
      '--lease <duration>',
      'how long a server of a database counts as alive to the others though it is silent (default 30s)',
      parseSeconds,
    )
    .option(
      '--drain <duration>',
      'when it is asked to stop, how long it goes on answering while /readyz says 503 (default 0s)',
      parseDuration,
    )
    .option(
      '--audit-high-water <file>',
      'where the highest head of the audit log is kept, out of reach of backups (default in mode dev: in the state directory)',
    )
    .option(
      '--audit-retention <duration>',
      'how long a record of the audit log is kept; what is older goes, its hash stays (default: for ever)',
      parseSeconds,
    )
    .option(
      '--personal-retention <duration>',
      'how long addresses and user agents are kept beside it (default: as long as the record)',
      parseSeconds,
    )
    .option(
      '--accept-clock',
      'start although the clock is far behind the audit log; tokens that had expired live again',
      false,
    )
    .option('--ready-file <file>', 'write what a program needs to know to a file that only you can read')
    .option(
      '--allow-dev-postgres',
      'in mode dev, keep the state in a database on this machine; for tests',
      false,
    )
    .option('--json', 'print one JSON object when it is ready', false)
  addStoreFlags(command).action(async (flags) => {
    assertFlagsFit(flags)
    await (flags.mode === 'dev' ? serveDeveloper(context, flags) : serveTeam(context, flags))
  })
}
