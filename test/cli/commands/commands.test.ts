import { expect, test } from 'vitest'
import { runCli } from '../../support/run-cli.js'

test('authsec commands lists every command, with the schema of each that prints JSON', async () => {
  const help = JSON.parse((await runCli(['help', '--json'])).stdout)
  const leaves = listLeaves(help)
  const rows: Row[] = JSON.parse((await runCli(['commands', '--json'])).stdout)
  expect(rows.map(({ command }) => command)).toEqual(leaves.map(({ command }) => command))

  // Whatever takes --json says in its help what that prints, or nobody could name a schema.
  const printing = leaves.filter(({ flags }) => flags.some(({ name }) => name === '--json'))
  expect(rows.filter(({ schema }) => schema !== null).map(({ command }) => command)).toEqual(
    printing.map(({ command }) => command),
  )
  expect(rows).toContainEqual({
    command: 'authsec client list',
    summary: 'list the registered clients',
    output: 'array',
    schema: 'authsec.client.list/1',
  })
})

test('authsec commands prints a line for each', async () => {
  const { stdout } = await runCli(['commands'])
  expect(stdout).toContain('authsec token mint\tget a delegation token\n')
})

interface Row {
  command: string
  schema: string | null
}

interface Help {
  command: string
  flags: { name: string }[]
  commands: Help[]
}

function listLeaves(help: Help): Help[] {
  return help.commands.length === 0 ? [help] : help.commands.flatMap(listLeaves)
}
