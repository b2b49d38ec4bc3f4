import { AuthsecError } from '../core/errors.js'
import { type Context, openContext } from './context.js'
import { reportFailure } from './failure.js'
import { runCommand } from './run.js'
import { isVersionAsked, printVersion } from './version.js'

/**
 * Runs the command that the arguments name and returns the exit code. Never throws and never ends the process:
 * what was printed may still be on its way.
 */
export async function main(args: readonly string[], context: Context = openContext()): Promise<number> {
  const { io } = context
  // Decided before the arguments are parsed, because an error in them is reported that way too.
  io.setManners({ json: listFlags(args).some((arg) => /^--(?:json|fields|jq)(?:=|$)/.test(arg)) })
  try {
    refuseTokenArguments(args)
    refuseSecretFlags(args)
    const code = await answer(args, context)
    await io.flush()
    return code
  } catch (error) {
    return reportFailure(context, error)
  } finally {
    context.close()
  }
}

async function answer(args: readonly string[], context: Context): Promise<number> {
  if (isVersionAsked(args)) {
    printVersion(context)
    return 0
  }
  return await runCommand(args, context)
}

const TOKEN = /eyJ[\w-]{8,}\.[\w-]+\.[\w-]*/

// Every process on the machine can read the arguments, and shells remember them. Only decode takes a token.
function refuseTokenArguments(args: readonly string[]): void {
  const isDecode = args.includes('token') && args.includes('decode')
  const leaked = args.find((arg) => TOKEN.test(arg) && !(isDecode && !arg.startsWith('-')))
  if (leaked === undefined) return
  throw new AuthsecError(
    'usage',
    'a token on the command line can be read by every process of this machine',
    {
      hint: 'Pipe it in and write - for it, as in: authsec token mint | authsec token verify -',
    },
  )
}

const SECRET_FLAGS: Readonly<Record<string, string>> = {
  '--password': 'Pipe it in and add --password-stdin, or leave it out to be asked for it.',
  '--token': 'Pipe it in, or set AUTHSEC_TOKEN.',
  '--session': 'Log in with authsec login, or set AUTHSEC_TOKEN.',
  '--secret': 'Name a file that only you can read.',
  '--client-secret': 'Name a file that only you can read.',
  '--kek': 'Use --kek-file, or set AUTHSEC_KEK.',
}

function refuseSecretFlags(args: readonly string[]): void {
  // There the flag names a file, and what looks like a token has been refused already.
  const takesFile = args[0] === 'audit' && args[1] === 'verify'
  const flag = listFlags(args)
    .map((arg) => arg.replace(/=.*$/s, ''))
    .find((name) => Object.hasOwn(SECRET_FLAGS, name) && !(takesFile && name === '--token'))
  if (flag === undefined) return
  throw new AuthsecError(
    'usage',
    `${flag} does not exist: a secret on the command line can be read by every process of this machine`,
    { hint: SECRET_FLAGS[flag] },
  )
}

// What stands behind -- is somebody else's command line.
function listFlags(args: readonly string[]): readonly string[] {
  const end = args.indexOf('--')
  return (end === -1 ? args : args.slice(0, end)).filter((arg) => arg.startsWith('-'))
}
