import { join } from 'node:path'
import type { Command, OptionValues } from '@commander-js/extra-typings'
import { AuthsecError } from '../core/errors.js'
import type { LogFile } from '../core/log-source.js'
import type { OfflineState } from '../server/replace-state.js'
import { assertConfirmable, confirmDeed, type Deed } from './confirmation.js'
import type { Context } from './context.js'
import { findKek, readKek } from './kek.js'
import { addStoreFlags, isInDatabase, type PlaceFlags, readPlace } from './state-place.js'

/** The flags of a command that works on the state itself. */
export interface OfflineFlags extends PlaceFlags {
  kekFile?: string | undefined
}

/** Adds the flags that say which state is meant: without any, that of `dev serve`. */
export function addOfflineFlags<A extends unknown[], O extends OptionValues, G extends OptionValues>(
  command: Command<A, O, G>,
) {
  return addStoreFlags(
    command
      .option(
        '--state <directory>',
        'where the server keeps its data (default: the one of authsec dev serve)',
      )
      .option('--kek-file <file>', 'the key-encryption key, where you keep it (AUTHSEC_KEK)'),
  )
}

/** Reads which state is meant, and its key-encryption key unless it keeps that itself. Throws `usage`. */
export async function readOfflineState(context: Context, flags: OfflineFlags): Promise<OfflineState> {
  const find = isInDatabase(flags) ? readKek : findKek
  const kek = await find(context, flags.kekFile)
  const ownState = isInDatabase(flags) ? undefined : context.environment.stateDirectory
  const place = await readPlace({ ...flags, state: flags.state ?? ownState })
  return { ...place, kek, clock: () => context.clock.now() }
}

/** The flags of a command that puts something else in the place of a state. */
export interface ReplaceFlags {
  auditHighWater?: string | undefined
  oldLog?: string | undefined
  confirm?: string | undefined
}

/** Adds the flags of a command after which a state is gone, and another log begins. */
export function addReplaceFlags<A extends unknown[], O extends OptionValues, G extends OptionValues>(
  command: Command<A, O, G>,
) {
  return command
    .option(
      '--audit-high-water <file>',
      'where the server keeps the highest head of its log; needed for that of a team',
    )
    .option('--old-log <directory>', 'where the log that ends is written (default: in the state directory)')
    .option('--confirm <tenant>', 'the id of the tenant whose state goes, instead of typing it')
}

/** Lets somebody type which state goes, unless `--confirm` says it. Throws `usage` and `cancelled`. */
export async function confirmReplacement(
  context: Context,
  flags: ReplaceFlags,
  { name, tenantId }: { name: string; tenantId: string },
  verb: Pick<Deed, 'infinitive' | 'participle'>,
): Promise<void> {
  const deed = { ...verb, infinitive: `${verb.infinitive} ${name}`, proof: 'the id of its tenant' }
  assertConfirmable(context, flags, deed)
  await confirmDeed(context, flags, deed, tenantId)
}

/** Where a log that ends is written. Throws `usage` for a database where nobody names a place. */
export function chooseOldLog(
  { clock }: Context,
  { state }: Pick<OfflineState, 'state'>,
  named: string | undefined,
): string {
  const path = named ?? (state && join(state, `audit-log-${clock.now()}`))
  if (path !== undefined) return path
  throw new AuthsecError('usage', 'no place for the log that ends is named', {
    hint: 'Name a new directory with --old-log.',
  })
}

/** Where the logs go that end with a state. */
export interface LogKeeper {
  /** The directories that have been written. */
  readonly kept: readonly string[]
  /** Writes the files of a log into a directory of its own. Throws `usage` where nobody names a place, and `conflict`. */
  keep(files: AsyncIterable<LogFile>, suffix?: string): Promise<void>
  /** Runs what replaces the state; where that certainly has not happened, nothing that was written stays. */
  around<T>(replacement: () => Promise<T>): Promise<T>
}

/** Writes logs beside the state, or where `--old-log` says. */
export function createLogKeeper(
  context: Context,
  state: Pick<OfflineState, 'state'>,
  { oldLog }: Pick<ReplaceFlags, 'oldLog'>,
): LogKeeper {
  const kept: string[] = []
  return {
    kept,
    async keep(files, suffix = '') {
      const { writeBundle } = await import('./audit-bundle.js')
      const directory = `${chooseOldLog(context, state, oldLog)}${suffix}`
      await writeBundle(files, directory)
      kept.push(directory)
    },
    async around(replacement) {
      try {
        return await replacement()
      } catch (error) {
        // A database that is gone in the middle of a commit may have done it.
        if (!AuthsecError.is(error, 'temporarily_unavailable')) {
          const { rm } = await import('node:fs/promises')
          for (const directory of kept) await rm(directory, { recursive: true, force: true })
        }
        throw error
      }
    },
  }
}
