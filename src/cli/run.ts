import { CommanderError } from '@commander-js/extra-typings'
import { AuthsecError } from '../core/errors.js'
import type { Context } from './context.js'
import { readUsageError } from './failure.js'
import { type AnyCommand, listLeaves, pathOf } from './help.js'
import { createProgram, VERSION_ASKED } from './program.js'
import { printVersion } from './version.js'

/** Runs the command that the arguments name and returns the exit code; throws what went wrong. */
export async function runCommand(args: readonly string[], context: Context): Promise<number> {
  const program = await createProgram(context, args)
  try {
    await program.parseAsync(shieldKeyIds(args, program), { from: 'user' })
    return context.status.code
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.code === VERSION_ASKED) printVersion(context)
    // Help that was asked for ends the parsing with an exception too.
    if (error.exitCode === 0) return 0
    // A group without a command: its help is on standard error already, unless --json keeps that for the error.
    if (error.code === 'commander.help' && !context.io.manners.json) return 2
    throw explainUsage(error, program, args)
  }
}

// RFC 7638 in base64url. No flag of one dash is so long.
const DASHED_KEY_ID = /^-[\w-]{42}$/

// One key in 64 has an id that begins as a flag does. Spelled so that it cannot be one, it is taken for what it is, and
// nobody has to know how.
function shieldKeyIds(args: readonly string[], program: AnyCommand): string[] {
  const { registeredArguments, options } = findCommand(program, args)
  if (registeredArguments[0]?.name() !== 'kid' || args.includes('--')) return [...args]
  const flags: string[] = []
  const ids: string[] = []
  for (const arg of args) {
    const before = flags.at(-1) ?? ''
    if (!DASHED_KEY_ID.test(arg)) flags.push(arg)
    else if (options.some(({ required, long }) => required && long === before))
      flags.push(`${flags.pop()}=${arg}`)
    else ids.push(arg)
  }
  return ids.length === 0 ? flags : [...flags, '--', ...ids]
}

function explainUsage(error: CommanderError, program: AnyCommand, args: readonly string[]): AuthsecError {
  const command = findCommand(program, args)
  const help = pathOf(command)
  // A group knows no flags of its own: --json is for the command that is missing.
  const isJsonAlone = error.code === 'commander.unknownOption' && error.message.includes("'--json'")
  if (error.code === 'commander.help' || (isJsonAlone && command.commands.length > 0)) {
    return new AuthsecError('usage', `${help} needs a command`, { hint: `See ${help} --help.`, cause: error })
  }
  const usage = readUsageError(error, help)
  if (error.code === 'commander.excessArguments' && command.options.some(({ long }) => long === '--filter')) {
    const hint =
      'What is looked for stands behind --filter, as in --filter outcome=deny; see authsec help filters.'
    return new AuthsecError('usage', usage.message, { hint, cause: error })
  }
  return error.code === 'commander.unknownCommand' ? suggestElsewhere(usage, program) : usage
}

function findCommand(program: AnyCommand, args: readonly string[]): AnyCommand {
  let command = program
  for (const arg of args) {
    const child = command.commands.find((candidate) => candidate.name() === arg)
    if (child !== undefined) command = child
  }
  return command
}

// `authsec mint` is a command of a group; commander only compares with what stands beside it.
function suggestElsewhere(error: AuthsecError, program: AnyCommand): AuthsecError {
  const [, unknown] = /^unknown command '(.*)'$/s.exec(error.message) ?? []
  const leaf = listLeaves(program).find((command) => command.name() === unknown)
  if (leaf === undefined) return error
  return new AuthsecError('usage', error.message, { hint: `Did you mean ${pathOf(leaf)}?`, cause: error })
}
