import { readdir } from 'node:fs/promises'
import { Ajv2020 } from 'ajv/dist/2020.js'
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

test('each schema that is named is printed, and there is no other', async () => {
  const rows: Row[] = JSON.parse((await runCli(['commands', '--json'])).stdout)
  const named = rows.flatMap(({ schema }) => schema ?? [])
  const made = await readdir(new URL('../../../dist/schemas/', import.meta.url))
  const files = [...named, 'authsec.error/1'].map((name) => `${name.replace('/', '.')}.json`)
  expect(files.sort()).toEqual(made.sort())

  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true })
  for (const name of [...named, 'authsec.error/1']) {
    const schema = JSON.parse((await runCli(['commands', '--schema', name])).stdout)
    expect(schema).toMatchObject({ $id: name, description: expect.stringMatching(/^[A-Z].*\.$/) })
    expect(() => ajv.compile(schema), name).not.toThrow()
    // A later version may print more.
    expect(JSON.stringify(schema)).not.toContain('"additionalProperties":false')
  }
})

test.each([
  'authsec.token.mint',
  'authsec.token.mint/2',
  '../../package',
  'authsec.profile.use/1',
  '\u001b[2J',
])('no schema is named %j', async (name) => {
  expect(await runCli(['commands', `--schema=${name}`])).toEqual({
    code: 2,
    stdout: '',
    stderr: expect.stringMatching(
      /^authsec: no schema is named ".*"\nhint: authsec commands --json names them, for example authsec\.token\.mint\/1\.\n$/,
    ),
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
