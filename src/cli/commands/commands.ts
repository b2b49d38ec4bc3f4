import type { Command } from '@commander-js/extra-typings'
import type { Context } from '../context.js'
import { type AnyCommand, describe, listLeaves, pathOf } from '../help.js'

/** What a command prints with `--json`. */
type OutputKind = 'object' | 'array' | 'lines'

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
    ],
    exits: [0, 2],
    seeAlso: ['authsec help', 'authsec help formatting'],
    onlyReads: true,
  })
    .option('--json', 'print a JSON array', false)
    .action((flags) => list(context, parent, flags.json))
}

async function list({ io }: Context, program: AnyCommand, json: boolean): Promise<void> {
  const leaves = listLeaves(program)
  if (json) io.json(leaves.map(describeOutput))
  else for (const leaf of leaves) io.line(`${pathOf(leaf)}\t${leaf.summary()}`)
}

function describeOutput(command: AnyCommand): Record<string, string | null> {
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
