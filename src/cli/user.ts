import type { Command, OptionValues } from '@commander-js/extra-typings'
import type { ApiTarget } from '../api/http.js'
import { listUsers, type User } from '../api/users.js'
import { AuthsecError } from '../core/errors.js'
import { quote, toPrintable } from '../core/printable.js'
import { readUuid } from '../core/uuid.js'
import type { Context } from './context.js'
import { readNewPassword } from './password.js'

/** How a password is given. */
export interface PasswordFlags {
  passwordStdin: boolean
  askPassword: boolean
}

/** Adds the flags of `PasswordFlags`. */
export function addPasswordFlags<A extends unknown[], O extends OptionValues, G extends OptionValues>(
  command: Command<A, O, G>,
) {
  return command
    .addOption(
      command
        .createOption('--ask-password', 'ask for the password at the terminal, without showing it')
        .default(false)
        .conflicts('passwordStdin'),
    )
    .option('--password-stdin', 'read the password from standard input', false)
}

/** The password that somebody chooses for a user; undefined where none is asked for. Throws `usage`. */
export async function readChosenPassword(
  context: Context,
  { passwordStdin, askPassword }: PasswordFlags,
  email: string,
): Promise<string | undefined> {
  if (!passwordStdin && !askPassword) return undefined
  return await readNewPassword(context, passwordStdin, toPrintable(email))
}

/** Finds the user that a person names by their e-mail address or UUID; throws `not_found`. */
export async function findNamedUser(target: ApiTarget, reference: string): Promise<User> {
  const id = readUuid(reference)
  const users = await listUsers(target)
  const alike = users.filter(({ email }) => email.toLowerCase() === reference.toLowerCase())
  const user =
    users.find((candidate) => candidate.id === id || candidate.email === reference) ??
    (alike.length === 1 ? alike[0] : undefined)
  if (user !== undefined) return user
  throw new AuthsecError('not_found', `there is no user ${quote(reference)}`, {
    hint: 'See authsec user list for the people there are.',
  })
}

/** The fields of a user, for people. */
export function listUserFields(user: User): [name: string, value: string][] {
  return [
    ['email', user.email],
    ['id', user.id],
    ['roles', user.roles.join(', ')],
    ['state', tellStanding(user)],
  ]
}

/** What somebody can do, in a word. */
export function tellStanding({ active, has_password }: User): string {
  if (!active) return 'not active'
  return has_password ? 'active' : 'cannot log in: no password'
}
