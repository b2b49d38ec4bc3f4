import { resolve } from 'node:path'
import type { Command, OptionValues } from '@commander-js/extra-typings'
import { AuthsecError } from '../core/errors.js'
import { isOpenToOthers } from '../core/file-mode.js'
import { quote } from '../core/printable.js'
import type { StatePlace } from '../server/state.js'
import { readTextFile } from './text-file.js'

// An address of a database with all its options.
const MAX_STORE_BYTES = 64 * 1024

/** Where the state of a server is said to be. */
export interface PlaceFlags {
  state?: string | undefined
  store?: string | undefined
  storeFile?: string | undefined
  requireSyncStandby: boolean
}

/** Adds the flags of a state that is kept in a database. */
export function addStoreFlags<A extends unknown[], O extends OptionValues, G extends OptionValues>(
  command: Command<A, O, G>,
) {
  return command
    .option(
      '--store <url>',
      'a PostgreSQL database that keeps the state instead, without its password; see authsec help store',
      parseStore,
    )
    .option(
      '--store-file <file>',
      'a file that only you can read, with the address of the database and its password',
    )
    .option('--require-sync-standby', 'refuse a database that waits for no standby', false)
}

/** Whether a state is kept in a database. */
export function isInDatabase({ store, storeFile }: Pick<PlaceFlags, 'store' | 'storeFile'>): boolean {
  return store !== undefined || storeFile !== undefined
}

/** Reads where the state is; throws `usage` unless exactly one place is named. */
export async function readPlace(flags: PlaceFlags): Promise<StatePlace> {
  const { state, store, storeFile, requireSyncStandby } = flags
  const named = [state, store, storeFile].filter((place) => place !== undefined)
  if (named.length !== 1) {
    const clause =
      named.length === 0 ? 'no place of the state is named' : 'the state has one place, and more are named'
    throw new AuthsecError('usage', clause, {
      hint: 'Name a directory with --state, or a database with --store or --store-file.',
    })
  }
  if (state !== undefined) {
    if (!requireSyncStandby) return { state: state === ':memory:' ? state : resolve(state) }
    throw new AuthsecError('usage', '--require-sync-standby needs a database', {
      hint: 'A directory has no standby: name a database with --store, or leave it out.',
    })
  }
  return { store: store ?? (await readStoreFile(storeFile ?? '')), requireSyncStandby }
}

/** The words that name a place again, for a command that is suggested. */
export function repeatPlace({ state, store, storeFile = '', requireSyncStandby }: PlaceFlags): string[] {
  if (state !== undefined) return ['--state', resolve(state)]
  const place = store === undefined ? ['--store-file', storeFile] : ['--store', store]
  return requireSyncStandby ? [...place, '--require-sync-standby'] : place
}

// Whoever lists the processes of the machine sees every argument.
function parseStore(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^postgres(?:ql)?:$/.test(url.protocol)) {
    throw new AuthsecError('usage', 'the value of --store is not the address of a PostgreSQL database', {
      hint: 'Write postgres://user@host/database; a state in a file is named by its directory, with --state.',
    })
  }
  if (url.password === '' && !url.searchParams.has('password')) return text
  throw new AuthsecError(
    'usage',
    'the value of --store holds a password, which everybody on this machine can see',
    {
      hint: 'Leave it out and set PGPASSWORD, or put the address into a file that only you can read: --store-file FILE',
    },
  )
}

async function readStoreFile(path: string): Promise<string> {
  const { stat } = await import('node:fs/promises')
  const stats = await stat(path).catch((cause) => {
    throw new AuthsecError('usage', `the store file ${quote(path)} cannot be read (${cause.code})`, { cause })
  })
  if (isOpenToOthers(stats, process.platform)) {
    throw new AuthsecError('usage', `the store file ${quote(path)} is open to others`, {
      hint: `It holds a password: chmod 600 ${path}`,
    })
  }
  return (await readTextFile(path, { maxBytes: MAX_STORE_BYTES })).trim()
}
