import type { Command } from '@commander-js/extra-typings'
import { writeBash } from '../completion/bash.js'
import { writeFish } from '../completion/fish.js'
import { listPlaces, type Place } from '../completion/places.js'
import { writePowershell } from '../completion/powershell.js'
import { writeZsh } from '../completion/zsh.js'
import type { Context } from '../context.js'
import { describe } from '../help.js'

const WRITERS = {
  bash: writeBash,
  zsh: writeZsh,
  fish: writeFish,
  powershell: writePowershell,
} as const satisfies Record<string, (places: readonly Place[], directory: string) => string>

export function addCompletion(parent: Command, context: Context): void {
  describe(parent.command('completion'), {
    summary: 'print a script that completes commands in a shell',
    details:
      'Commands, flags and choices are in the script; clients and profiles come from files that the other commands ' +
      'keep. No completion calls a server.',
    examples: [
      ['eval "$(authsec completion bash)"', 'in ~/.bashrc; the same for zsh, in ~/.zshrc'],
      ['authsec completion fish', 'pipe it into source, in ~/.config/fish/config.fish'],
    ],
    exits: [0, 2],
    onlyReads: true,
  })
    .addArgument(
      parent.createArgument('<shell>', 'the shell').choices(['bash', 'zsh', 'fish', 'powershell'] as const),
    )
    .action((shell) => {
      const script = WRITERS[shell](listPlaces(parent), context.environment.configDirectory)
      context.io.line(script.trimEnd())
    })
}
