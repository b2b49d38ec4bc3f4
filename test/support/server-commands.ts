import { runCli } from './run-cli.js'

interface Leaf {
  command: string
  flags: { name: string }[]
  commands: Leaf[]
}

/** Every command that can be told which server to ask, without the name of the program. */
export async function listServerCommands(): Promise<string[]> {
  const leaves = listLeaves(JSON.parse((await runCli(['help', '--json'])).stdout))
  return leaves
    .filter(({ flags }) => flags.some(({ name }) => name.startsWith('--server')))
    .map(({ command }) => command.replace(/^authsec /, ''))
}

function listLeaves(node: Leaf): Leaf[] {
  return node.commands.length === 0 ? [node] : node.commands.flatMap(listLeaves)
}
