import type { Command, Help, Option } from '@commander-js/extra-typings'
import { alignPairs, wrapWords } from './columns.js'
import { EXIT_MEANINGS, type ExitCode } from './exit-codes.js'

/** What the help of a command says beyond its arguments and flags. */
export interface HelpNotes {
  /** One line without a full stop, as it stands in lists. */
  summary: string
  /** What there is to know beyond the summary, as sentences. */
  details?: string
  /** Command lines that work when pasted, each with what it is for. */
  examples?: readonly (readonly [line: string, purpose: string])[]
  exits?: readonly ExitCode[]
  seeAlso?: readonly string[]
  /** It only reads, so whoever interrupts it leaves nothing half done: see `Context.signal`. */
  onlyReads?: boolean
}

/** Any command, whatever its arguments and flags. */
// biome-ignore lint/suspicious/noExplicitAny: the type parameters of a command are invariant.
export type AnyCommand = Command<any, any, any>

// In the registry of the process, because each file of the built command has its own copy of this one.
const NOTES = Symbol.for('authsec.help-notes')

/** Documents a command; its help is laid out by `formatHelp`. */
export function describe<C extends AnyCommand>(command: C, notes: HelpNotes): C {
  command.summary(notes.summary)
  return Object.assign(command, { [NOTES]: notes })
}

/** Lays out the help of a command: summary, usage, examples first, then flags, exit codes and what to see. */
export function formatHelp(command: AnyCommand, helper: Help): string {
  const { details, examples = [], exits = [], seeAlso = [] } = readNotes(command)
  const width = helper.helpWidth ?? 80
  const parts = [
    wrapWords(`${capitalize(command.summary())}.`, width).join('\n'),
    details === undefined ? '' : wrapWords(details, width).join('\n'),
    section('Usage', [usageOf(command)]),
    section(
      'Examples',
      examples.flatMap(([line, purpose]) => [`# ${purpose}`, line]),
    ),
    section('Commands', alignPairs(listCommands(command), width)),
    section('Arguments', alignPairs(listArguments(command), width)),
    section('Flags', alignPairs(listFlags(command, helper), width)),
    section(
      'Exit codes',
      alignPairs(
        exits.map((code) => [String(code), EXIT_MEANINGS[code]]),
        width,
      ),
    ),
    section('See also', [...seeAlso]),
  ]
  return parts.filter((part) => part !== '').join('\n\n')
}

/** The help of a command as data, with everything below it. */
export interface CommandHelp {
  /** The words that call it. */
  command: string
  summary: string
  details?: string
  usage: string
  examples: readonly { line: string; purpose: string }[]
  arguments: readonly { name: string; description: string }[]
  /** With those that every command takes; the version is a flag of authsec itself alone. */
  flags: readonly { name: string; description: string }[]
  /** What each exit code of the command means. */
  exit_codes: Readonly<Record<string, string>>
  commands: readonly CommandHelp[]
}

/** Describes a command as `formatHelp` lays it out. */
export function describeCommand(command: AnyCommand, helper: Help): CommandHelp {
  const { details, examples = [], exits = [] } = readNotes(command)
  return {
    command: pathOf(command),
    summary: command.summary(),
    ...(details !== undefined && { details }),
    usage: usageOf(command),
    examples: examples.map(([line, purpose]) => ({ line, purpose })),
    arguments: listArguments(command).map(([name, description]) => ({ name, description })),
    flags: listFlags(command, helper).map(([name, description]) => ({ name, description })),
    exit_codes: Object.fromEntries(exits.map((code) => [code, EXIT_MEANINGS[code]])),
    commands: command.commands.map((child) => describeCommand(child, helper)),
  }
}

/** Whether a command only reads. */
export function onlyReads(command: AnyCommand): boolean {
  return readNotes(command).onlyReads ?? false
}

/** The words that call a command, such as `authsec token mint`. */
export function pathOf(command: AnyCommand): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name()
}

/** The commands that do something, in the order in which they were added. */
export function listLeaves(command: AnyCommand): AnyCommand[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(listLeaves)
}

function readNotes(command: AnyCommand): HelpNotes {
  return NOTES in command ? (command[NOTES] as HelpNotes) : { summary: command.summary() }
}

function listCommands(command: AnyCommand): [string, string][] {
  if (command.commands.length === 0) return []
  // From the top everything is in sight: what is below a group stands with the group's name.
  const own = pathOf(command).length + 1
  return listLeaves(command).map((leaf) => [pathOf(leaf).slice(own), leaf.summary()])
}

function listArguments(command: AnyCommand): [string, string][] {
  return command.registeredArguments.map((argument) => [argument.name(), argument.description])
}

function listFlags(command: AnyCommand, helper: Help): [string, string][] {
  const own = helper.visibleOptions(command)
  const inherited = command.parent ? helper.visibleGlobalOptions(command) : []
  // The version is a flag of authsec itself, not of each command, and these are about JSON.
  const printsJson = command.commands.length > 0 || own.some(({ long }) => long === '--json')
  const foreign = ['--version', ...(printsJson ? [] : ['--fields', '--jq'])]
  const flags = [...own, ...inherited.filter(({ long }) => !foreign.includes(long ?? ''))]
  return flags.map((option) => [option.flags, describeFlag(option)])
}

function describeFlag({ description, argChoices, defaultValue, mandatory }: Option): string {
  const choices = argChoices === undefined ? '' : `: ${argChoices.join(', ')}`
  // That a flag is off, or a list empty, goes without saying.
  const isTelling = typeof defaultValue === 'string' || typeof defaultValue === 'number'
  const remark = mandatory ? ' (required)' : isTelling ? ` (default ${defaultValue})` : ''
  return `${description}${choices}${remark}`
}

function usageOf(command: AnyCommand): string {
  const path = pathOf(command)
  if (command.commands.length > 0) return `${path} <command> [flags]`
  const names = command.registeredArguments.map((argument) => {
    const name = argument.variadic ? `${argument.name()}...` : argument.name()
    return argument.required ? `<${name}>` : `[${name}]`
  })
  return [path, ...names, '[flags]'].join(' ')
}

function section(title: string, lines: readonly string[]): string {
  const text = lines.flatMap((line) => line.split('\n')).map((line) => `  ${line}`)
  return lines.length === 0 ? '' : `${title}\n${text.join('\n')}`
}

function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
