import { type AnyCommand, pathOf } from '../help.js'

/** What completes a word: one of these, a name out of a file of names, a file, or nothing that is known. */
export type Completion =
  | { words: readonly string[] }
  | { names: 'clients' | 'profiles' }
  | 'files'
  | 'nothing'

/** One flag of a command; without a value it has nothing to complete. */
export interface CompletedFlag {
  name: string
  meaning: string
  value: Completion | undefined
}

/** A command or group, with what can follow it. */
export interface Place {
  /** The words that lead there, such as `authsec token mint`. */
  path: string
  commands: readonly { name: string; meaning: string }[]
  flags: readonly CompletedFlag[]
  argument: Completion
}

/** Every place of a command line, the program itself first. */
export function listPlaces(command: AnyCommand): Place[] {
  return [describePlace(command), ...command.commands.flatMap(listPlaces)]
}

function describePlace(command: AnyCommand): Place {
  return {
    path: pathOf(command),
    commands: command.commands.map((child) => ({ name: child.name(), meaning: child.summary() })),
    flags: listFlags(command),
    argument: describeArgument(command),
  }
}

function listFlags(command: AnyCommand): CompletedFlag[] {
  const inherited = command.parent ? rootOf(command).options.filter(({ long }) => long !== '--version') : []
  const known = [...command.options, ...inherited].flatMap(
    ({ long, description, required, argChoices, flags }) =>
      long
        ? [
            {
              name: long,
              meaning: description,
              value: required ? describeValue(flags, argChoices) : undefined,
            },
          ]
        : [],
  )
  return [...known, { name: '--help', meaning: 'show this help', value: undefined }]
}

function describeValue(flags: string, choices: readonly string[] | undefined): Completion {
  if (choices !== undefined) return { words: choices }
  if (/^--profile\b/.test(flags)) return { names: 'profiles' }
  if (/^--client\b/.test(flags)) return { names: 'clients' }
  return /<(?:file|dir|directory|path)\b/.test(flags) ? 'files' : 'nothing'
}

function describeArgument(command: AnyCommand): Completion {
  const [argument] = command.registeredArguments
  if (argument === undefined) return 'nothing'
  if (argument.argChoices) return { words: argument.argChoices }
  const path = pathOf(command)
  if (/^authsec profile (?:show|use|delete)$/.test(path)) return { names: 'profiles' }
  const isNew = /(?:register|create)$/.test(path)
  if (!isNew && (argument.name() === 'client' || /^authsec client /.test(path))) return { names: 'clients' }
  return 'files'
}

function rootOf(command: AnyCommand): AnyCommand {
  return command.parent ? rootOf(command.parent) : command
}
