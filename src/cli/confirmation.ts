import type { Command, OptionValues } from '@commander-js/extra-typings'
import { AuthsecError } from '../core/errors.js'
import { quote, toPrintable } from '../core/printable.js'
import type { Consequence } from './consequences.js'
import type { Context } from './context.js'

/** What `--confirm` says; without it a person is asked. */
interface Confirmation {
  confirm?: string | undefined
}

/** The flags of what cannot be taken back and of which something else may live. */
export interface ConfirmFlags extends Confirmation {
  dryRun: boolean
  json: boolean
}

/** What is about to be done, in the words of the messages. */
export interface Deed {
  /** Such as `revoke its delegation`. */
  infinitive: string
  /** Such as `revoked`. */
  participle: string
  /** What has to be typed, such as `the name of the client`. */
  proof: string
}

/** What would stop working, with --dry-run; nothing was changed. */
export interface DryRun {
  dry_run: true
  stops: readonly Consequence[]
}

/** Adds `--confirm` and `--dry-run`. */
export function addConfirmFlags<A extends unknown[], O extends OptionValues, G extends OptionValues>(
  command: Command<A, O, G>,
  proof: string,
) {
  return command
    .option('--confirm <name>', `${proof}, instead of typing it`)
    .option('--dry-run', 'only list what would stop working', false)
}

/** Throws `usage` where nobody is there to confirm and no flag does; before anything is asked of a server. */
export function assertConfirmable(
  { io }: Context,
  { confirm, dryRun }: Confirmation & { dryRun?: boolean },
  deed: Deed,
): void {
  if (confirm !== undefined || dryRun || io.isInteractive) return
  const otherwise = dryRun === undefined ? '' : ', or see with --dry-run what would stop working'
  throw new AuthsecError('usage', `it has to be confirmed: nothing was ${deed.participle}`, {
    hint: `Add --confirm with ${deed.proof}${otherwise}.`,
  })
}

/** Lets a person type what a dangerous command is about, unless it is given; throws `cancelled` for another name. */
export async function confirmDeed(
  { prompts }: Context,
  { confirm }: Confirmation,
  deed: Deed,
  name: string,
): Promise<void> {
  const typed = confirm ?? (await prompts.ask(`Type ${toPrintable(name)} to ${deed.infinitive}:`)).trim()
  if (typed === name) return
  const message = `${quote(typed)} is not ${deed.proof}: nothing was ${deed.participle}`
  throw new AuthsecError('cancelled', message, { hint: `It is ${toPrintable(name)}.` })
}

/**
 * Whether to go on. With `--dry-run` it prints what would stop working and says no; otherwise the name has to be
 * given or typed, and `cancelled` is thrown for another one.
 */
export async function mayProceed(
  context: Context,
  flags: ConfirmFlags,
  deed: Deed,
  name: string,
  listConsequences: () => Promise<readonly Consequence[]>,
): Promise<boolean> {
  if (flags.dryRun) {
    await printConsequences(context, await listConsequences(), flags.json)
    return false
  }
  await confirmDeed(context, flags, deed, name)
  return true
}

async function printConsequences(
  { io }: Context,
  consequences: readonly Consequence[],
  json: boolean,
): Promise<void> {
  if (json) {
    io.json<DryRun>({ dry_run: true, stops: consequences })
    return
  }
  if (consequences.length === 0) io.note('nothing would stop working')
  else {
    const rows = consequences.map(({ kind, id, detail }) => [kind, id, detail])
    await io.table(['would stop', 'id', 'detail'], rows)
  }
  io.note('nothing was changed')
}
