import { AuthsecError } from '../core/errors.js'
import type { Context } from './context.js'

const MAX_BYTES = 4 * 1024

/**
 * A password that somebody chooses: from standard input, or asked twice without echo. Throws `usage` where there is
 * nobody to ask, for an empty one and for two that differ.
 */
export async function readNewPassword(context: Context, isFromInput: boolean): Promise<string> {
  const password = isFromInput ? await readFromInput(context) : await askTwice(context)
  if (password === '') throw new AuthsecError('usage', 'the password is empty')
  return password
}

async function readFromInput({ io }: Context): Promise<string> {
  if (io.isInputTerminal) {
    throw new AuthsecError('usage', 'standard input is a terminal, which would show the password', {
      hint: 'Leave --password-stdin out to be asked for it.',
    })
  }
  const text = await io.readInput(MAX_BYTES).catch((error) => {
    if (!AuthsecError.is(error, 'token_malformed')) throw error
    throw new AuthsecError('usage', `the password is longer than ${MAX_BYTES / 1024} KiB`)
  })
  // The line break is the shell's, not the password's.
  return text.replace(/\r?\n$/, '')
}

async function askTwice({ io, prompts }: Context): Promise<string> {
  if (!io.isInteractive) {
    throw new AuthsecError('usage', 'there is no terminal to ask for the password', {
      hint: 'Pipe it in and add --password-stdin.',
    })
  }
  const password = await prompts.askSecret('Password of the admin')
  if ((await prompts.askSecret('The same again')) === password) return password
  throw new AuthsecError('usage', 'the two passwords differ')
}
