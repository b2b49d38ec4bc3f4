import { AuthsecError } from '../core/errors.js'
import { quote, toPrintable } from '../core/printable.js'
import type { Context } from './context.js'

/** What a dangerous command is about, and how that is confirmed. */
export interface Confirmation {
  /** What has to be typed. */
  name: string
  /** What that is, as in `name of the client`. */
  what: string
  /** What happens then, as in `revoke its delegation`. */
  to: string
  /** What `--confirm` says; without it a person is asked. */
  given: string | undefined
}

/** Throws `usage` where nothing confirms a dangerous command and nobody can be asked: before anything else is done. */
export function assertConfirmable(
  { io }: Context,
  given: string | undefined,
  act: string,
  what: string,
): void {
  if (given !== undefined || io.isInteractive) return
  throw new AuthsecError('usage', `${act} has to be confirmed`, { hint: `Add --confirm with the ${what}.` })
}

/** Lets a person type what a dangerous command is about, unless it is given; throws `cancelled`. */
export async function confirm({ prompts }: Context, { name, what, to, given }: Confirmation): Promise<void> {
  const typed = given ?? (await prompts.ask(`Type ${toPrintable(name)} to ${to}:`)).trim()
  if (typed === name) return
  throw new AuthsecError('cancelled', `${quote(typed)} is not the ${what}: nothing was changed`, {
    hint: `The ${what} is ${toPrintable(name)}.`,
  })
}
