import { runCli } from './run-cli.js'

interface Leaf {
  command: string
  flags: { name: string }[]
  commands: Leaf[]
}

/** What takes an address, and asks nobody there. */
const OFFLINE = ['profile create', 'ci setup']

/** The commands that ask a server which they can be told, and that are not among these. */
export async function findMissing(commands: readonly (readonly string[])[]): Promise<string[]> {
  const given = commands.map((args) => `${args.join(' ')} `)
  return (await listServerCommands()).filter(
    (command) => !OFFLINE.includes(command) && !given.some((line) => line.startsWith(`${command} `)),
  )
}

/** Every command that can be told which server to ask, without the name of the program. */
async function listServerCommands(): Promise<string[]> {
  const leaves = listLeaves(JSON.parse((await runCli(['help', '--json'])).stdout))
  return leaves
    .filter(({ flags }) => flags.some(({ name }) => name.startsWith('--server')))
    .map(({ command }) => command.replace(/^authsec /, ''))
}

function listLeaves(node: Leaf): Leaf[] {
  return node.commands.length === 0 ? [node] : node.commands.flatMap(listLeaves)
}
