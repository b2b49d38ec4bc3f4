import { AuthsecError } from '../core/errors.js'
import type { Context } from './context.js'

const MAX_BYTES = 4 * 1024

/**
 * A password that somebody has: from standard input, or asked for without echo. Throws `usage` where there is nobody
 * to ask, and for an empty one.
 */
export async function readPassword(context: Context, isFromInput: boolean): Promise<string> {
  return refuseEmpty(isFromInput ? await readFromInput(context) : await ask(context, 'Password'))
}

/** A password that somebody chooses, for whom: the same, but asked for twice; throws `usage` for two that differ. */
export async function readNewPassword(
  context: Context,
  isFromInput: boolean,
  whose: string,
): Promise<string> {
  return refuseEmpty(isFromInput ? await readFromInput(context) : await askTwice(context, whose))
}

function refuseEmpty(password: string): string {
  if (password === '')
    throw new AuthsecError('usage', 'the password is empty', {
      hint: 'Pipe it in as one line, as in --password-stdin < password.txt, or type it at the prompt.',
    })
  return password
}

async function readFromInput({ io }: Context): Promise<string> {
  if (io.isInputTerminal) {
    throw new AuthsecError('usage', 'standard input is a terminal, which would show the password', {
      hint: 'Leave --password-stdin out to be asked for it.',
    })
  }
  const text = await io.readInput(MAX_BYTES, 'usage')
  // The line break is the shell's, not the password's.
  return text.replace(/\r?\n$/, '')
}

async function askTwice(context: Context, whose: string): Promise<string> {
  const password = await ask(context, `Password of ${whose}`)
  if ((await ask(context, 'The same again')) === password) return password
  throw new AuthsecError('usage', 'the two passwords differ')
}

async function ask({ io, prompts }: Context, question: string): Promise<string> {
  if (io.isInteractive) return await prompts.askSecret(question)
  throw new AuthsecError('usage', 'there is no terminal to ask for the password', {
    hint: 'Pipe it in and add --password-stdin.',
  })
}
