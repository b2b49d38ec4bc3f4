import { join } from 'node:path'
import type { Command } from '@commander-js/extra-typings'
import { AuthsecError } from '../../../core/errors.js'
import type { KekPair } from '../../../server/rewrap.js'
import type { Context } from '../../context.js'
import { describe } from '../../help.js'
import { readKek } from '../../kek.js'
import { addStoreFlags, isInDatabase, type PlaceFlags, readPlace } from '../../state-place.js'

/** The key-encryption key so far, and the one from now on. */
export interface Output {
  /** Fingerprint of the key so far. */
  former_kek: string
  /** Fingerprint of the key from now on. */
  kek: string
  /** The number of the key from now on; each change counts one. */
  kek_version: number
  /** How many values have been sealed anew. */
  values: number
}

interface RewrapFlags extends PlaceFlags {
  kekFile?: string | undefined
  newKekFile?: string | undefined
  json: boolean
}

export function addKeyRewrap(parent: Command, context: Context): void {
  const command = describe(parent.command('rewrap'), {
    summary: 'seal the state of a server with another key-encryption key',
    details:
      'Works on the state itself, while no server runs on it: in one step, and a crash leaves the old key or the new ' +
      'one. A directory that keeps its key itself, in the file kek, gets a new one there, or is moved to the one that ' +
      'you give; where you keep the key, give the old one and the new one. Backups still need the key that they were ' +
      'made under.',
    examples: [
      ['authsec keys rewrap', 'the state of authsec dev serve'],
      [
        'authsec keys rewrap --state /var/lib/authsec --kek-file kek --new-kek-file kek.new',
        "a team's server, which then starts with kek.new",
      ],
      [
        'authsec keys rewrap --new-kek-file kek',
        'from now on the key lies where you keep it, and dev serve --kek-file names it',
      ],
    ],
    exits: [0, 2, 6, 7, 21],
    seeAlso: ['authsec dev serve', 'authsec keys list'],
  })
    .option('--state <directory>', 'where the server keeps its data (default: the one of authsec dev serve)')
    .option('--kek-file <file>', 'the key-encryption key so far, 32 bytes in base64 (AUTHSEC_KEK)')
    .option('--new-kek-file <file>', 'the key-encryption key from now on')
    .option('--json', 'print one JSON object', false)
  addStoreFlags(command).action((flags) => runRewrap(context, flags))
}

async function runRewrap(context: Context, flags: RewrapFlags): Promise<void> {
  const keks = await readKeks(context, flags)
  const ownState = isInDatabase(flags) ? undefined : context.environment.stateDirectory
  const place = await readPlace({ ...flags, state: flags.state ?? ownState })
  const { rewrap } = await import('../../../server/rewrap.js')
  const { former, fingerprint, version, count } = await rewrap(place, keks)
  // Its own one stays where it was, and looks as if it counted.
  if (place.state !== undefined && keks.from === undefined && keks.to !== undefined)
    context.io.note(`the key in ${join(place.state, 'kek')} opens nothing any more`)
  if (flags.json) {
    context.io.json<Output>({ former_kek: former, kek: fingerprint, kek_version: version, values: count })
    return
  }
  context.io.record([
    ['former key', former],
    ['new key', fingerprint],
    ['version', String(version)],
    ['values', String(count)],
  ])
}

async function readKeks(context: Context, flags: RewrapFlags): Promise<KekPair> {
  const { kekFile, newKekFile } = flags
  const isOwn = kekFile === undefined && context.environment.kek === undefined && !isInDatabase(flags)
  if (newKekFile !== undefined) {
    const { readKekFile } = await import('../../../authority/kek.js')
    return { from: isOwn ? undefined : await readKek(context, kekFile), to: readKekFile(newKekFile) }
  }
  if (isOwn) return {}
  throw new AuthsecError('usage', 'the key-encryption key from now on is missing', {
    hint: 'Name its file with --new-kek-file; make one with: openssl rand -base64 32',
  })
}
