import type { Command } from '@commander-js/extra-typings'
import { AuthsecError } from '../../core/errors.js'
import { quote } from '../../core/printable.js'
import type { JsonObject } from '../../core/strict-json.js'
import type { Context } from '../context.js'
import { type AnyCommand, describe, listLeaves, pathOf } from '../help.js'
import { readOutputSchema } from '../output-schema.js'

/** Each command, in the order of the help; with --schema the one schema that was asked for. */
export type Output = CommandOutput[] | JsonObject

interface CommandOutput {
  /** The words that call it. */
  command: string
  summary: string
  /** What it prints with --json: one object, one array, or a line for each object; null where it prints no JSON. */
  output: OutputKind | null
  /** The name of the schema of that, of each line where there are lines. */
  schema: string | null
}

type OutputKind = 'object' | 'array' | 'lines'

/** Of what standard error says when a command fails. */
const ERROR_SCHEMA = 'authsec.error/1'

const KINDS: readonly (readonly [pattern: RegExp, kind: OutputKind])[] = [
  [/\bJSON Lines\b/i, 'lines'],
  [/\bJSON array\b/i, 'array'],
  [/\bJSON object\b/i, 'object'],
]

export function addCommands(parent: Command, context: Context): void {
  describe(parent.command('commands'), {
    summary: 'list every command',
    examples: [
      ['authsec commands', 'one line for each'],
      ['authsec commands --json', 'with the name of the schema of what it prints'],
      ['authsec commands --schema authsec.token.mint/1', 'that schema, as JSON Schema'],
    ],
    exits: [0, 2],
    seeAlso: ['authsec help', 'authsec help formatting'],
    onlyReads: true,
  })
    .option('--json', 'print a JSON array', false)
    .option('--schema <name>', 'print the JSON Schema of that name instead')
    .action(({ json, schema }) => {
      if (schema === undefined) list(context, parent, json)
      else context.io.json<Output>(findSchema(parent, schema))
    })
}

function list({ io }: Context, program: AnyCommand, json: boolean): void {
  const leaves = listLeaves(program)
  if (json) io.json<Output>(leaves.map(describeOutput))
  else io.record(leaves.map((leaf) => [pathOf(leaf), leaf.summary()]))
}

function findSchema(program: AnyCommand, name: string): JsonObject {
  const known = listLeaves(program).map((leaf) => describeOutput(leaf).schema)
  if (name !== ERROR_SCHEMA && !known.includes(name)) {
    throw new AuthsecError('usage', `no schema is named ${quote(name)}`, {
      hint: 'authsec commands --json names them, for example authsec.token.mint/1.',
    })
  }
  return readOutputSchema(name)
}

function describeOutput(command: AnyCommand): CommandOutput {
  const path = pathOf(command)
  const output = findOutputKind(command)
  return {
    command: path,
    summary: command.summary(),
    output: output ?? null,
    // A member is only ever added; the number grows when one has to change.
    schema: output === undefined ? null : `${path.split(' ').join('.')}/1`,
  }
}

function findOutputKind(command: AnyCommand): OutputKind | undefined {
  const flag = command.options.find(({ long }) => long === '--json')
  return KINDS.find(([pattern]) => pattern.test(flag?.description ?? ''))?.[1]
}
