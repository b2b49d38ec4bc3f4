import { readFile } from 'node:fs/promises'
import { stripVTControlCharacters } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Prompts } from '../../src/cli/prompts.js'
import { AuthsecError } from '../../src/core/errors.js'
import { type RunOptions, runCli } from '../support/run-cli.js'
import { EXAMPLE_CODES } from './examples/example-codes.js'
import { parseShellLine, type Stage } from './examples/shell-line.js'
import { openWorld, type World } from './examples/world.js'

interface Leaf {
  command: string
  examples: { line: string }[]
  flags: { name: string; description: string }[]
  exit_codes: Record<string, string>
  commands: Leaf[]
}

/** Under which circumstances a command runs; the flags come on top of its own. */
interface Mode {
  name: string
  flags?: readonly string[]
  options?: RunOptions
}

/** At whatever prompt, Ctrl-C. */
const CTRL_C: Prompts = { ask: interrupt, askSecret: interrupt, choose: interrupt, chooseSome: interrupt }

const MODES: readonly Mode[] = [
  { name: 'into a pipe' },
  { name: 'on a terminal', options: { tty: true, prompts: CTRL_C } },
  { name: 'with --json', flags: ['--json'] },
  { name: 'on a terminal with --no-input', flags: ['--no-input'], options: { tty: true } },
  { name: 'on a terminal with NO_COLOR', options: { tty: true, prompts: CTRL_C, env: { NO_COLOR: '1' } } },
  { name: 'with FORCE_COLOR', options: { env: { FORCE_COLOR: '1' } } },
  { name: 'with NO_COLOR and FORCE_COLOR', options: { env: { NO_COLOR: '1', FORCE_COLOR: '1' } } },
  { name: 'on a terminal of 40 columns', options: { tty: true, columns: 40, prompts: CTRL_C } },
  { name: 'with nothing on standard input', options: { stdin: '' } },
  { name: 'where nobody reads standard output', options: { isOutputClosed: true } },
]
/** How a command runs that might read or ask. */
const OF_INPUT = ['on a terminal with --no-input', 'with nothing on standard input']
/** These print what another program reads, what is to be pasted, or one line for each event. */
const VERBATIM = ['ci setup', 'completion', 'help', 'audit tail', 'audit search', 'audit trace'].map(
  (name) => `authsec ${name}`,
)

/** These ask a person, whom they cannot ask in a pipe: test/e2e/terminal.test.ts answers, and does not. */
const ASKING = [
  'client register',
  'delegation revoke billing-bot',
  'dev init --state /var/lib/authsec --issuer https://authsec.example --admin ada@team.example --kek-file kek',
  'dev reset',
  'keys revoke 2Z7mJ…',
  'keys taint 2Z7mJ…',
].map((line) => `authsec ${line}`)

const leaves = listLeaves(JSON.parse((await runCli(['help', '--json'])).stdout))
const outputs = new Map<string, string | null>(
  JSON.parse((await runCli(['commands', '--json'])).stdout).map(
    ({ command, output }: { command: string; output: string | null }) => [command, output],
  ),
)

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

describe.each(leaves)('$command', (leaf) => {
  const example = leaf.examples[0]?.line ?? ''
  let call: Stage
  let stdin: string
  beforeAll(async () => {
    await world.prepare(example)
    const stages = parseShellLine(await world.adapt(example))
    const place = stages.findIndex(({ words }) => words.join(' ').startsWith(leaf.command))
    call = stages[place] ?? { words: leaf.command.split(' '), after: 'nothing' }
    const { stdin: attended = '' } = await world.attend(example)
    const [, ...source] = stages[place - 1]?.words ?? []
    if (call.from !== undefined) stdin = await readFile(call.from, 'utf8')
    else stdin = source.length === 0 ? String(attended) : (await world.run(source)).stdout
  })

  const takesJson = leaf.flags.some(({ name }) => name === '--json')
  // The demo waits most of its time, and shares nothing with another one. It reads nothing and asks nobody.
  const isDemo = leaf.command === 'authsec demo'
  const runs = isDemo ? test.concurrent : test
  const modes = isDemo ? MODES.filter(({ name }) => !OF_INPUT.includes(name)) : MODES

  runs.each(modes)('behaves $name', async ({ name, flags = [], options = {} }) => {
    const isFirst = name === MODES[0]?.name
    const [, ...args] = call.words
    const isJson = flags.includes('--json')
    const { answers: _, tty: __, ...attention } = { ...(await world.attend(example)), stdin }
    const run = await world.run(insert(args, flags), { ...attention, ...options })
    // What prints nothing, or what is no JSON, says so.
    if (isJson && !takesJson) {
      expect(run).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('--json') })
      return
    }
    // What has been done before cannot always be done again: then the command says so.
    if (isFirst)
      expect(run).toMatchObject({ code: ASKING.includes(example) ? 2 : (EXAMPLE_CODES[example] ?? 0) })
    expect([...Object.keys(leaf.exit_codes), '130']).toContain(String(run.code))
    expect(run.stderr).not.toMatch(/^\s+at |TypeError|ExperimentalWarning|Warning: The 'NO_COLOR'/m)
    if (run.code !== 0 && run.code < 10) expect(run.stdout).toBe('')
    if (isJson) expectJson(run, outputs.get(leaf.command) ?? null)
    else if (run.code !== 0 && ![10, 130].includes(run.code)) expect(run.stderr).toMatch(/^authsec: /m)
    if (options.isOutputClosed) expect(run.code === 0 ? run.stderr : '').not.toMatch(/^authsec: /m)
    const isColored = options.env?.['FORCE_COLOR'] === '1' && options.env['NO_COLOR'] === undefined
    const mayColor = isColored || (options.tty === true && options.env?.['NO_COLOR'] === undefined)
    if (!mayColor) expect(stripVTControlCharacters(run.stdout)).toBe(run.stdout)
    expect(stripVTControlCharacters(run.stderr)).toBe(run.stderr)
    if (options.columns !== undefined && !VERBATIM.includes(leaf.command))
      expect(findLong(run.stdout, options.columns)).toEqual([])
  })
})

// One object on standard output, or a stream of them; and of a failure one on standard error.
function expectJson(
  { code, stdout, stderr }: { code: number; stdout: string; stderr: string },
  kind: string | null,
) {
  const documents = kind === 'lines' ? stdout.split('\n').filter(Boolean) : stdout === '' ? [] : [stdout]
  const values = documents.map((text) => JSON.parse(text))
  for (const value of values) expect(Array.isArray(value)).toBe(kind === 'array')
  if (code === 0 || code === 10 || code === 130 || stdout !== '') return
  const last = stderr.trim().split('\n').at(-1) ?? ''
  expect(JSON.parse(last)).toMatchObject({ error: { code: expect.any(String), message: expect.any(String) } })
}

// A word that does not fit may stand alone on its line, behind the title of what it is.
function findLong(stdout: string, columns: number): string[] {
  const lines = stripVTControlCharacters(stdout).split('\n')
  return lines.filter((line) => line.length > columns && /\S \S/.test(line.slice(columns)))
}

// What stands behind -- is another program's.
function insert(args: readonly string[], flags: readonly string[]): string[] {
  const isGiven = (flag: string) => args.includes(flag)
  const end = args.indexOf('--')
  const [own, rest] = end === -1 ? [args, []] : [args.slice(0, end), args.slice(end)]
  return [...own, ...flags.filter((flag) => !isGiven(flag)), ...rest]
}

function listLeaves(tree: Leaf): Leaf[] {
  return tree.commands.length === 0 ? [tree] : tree.commands.flatMap(listLeaves)
}

async function interrupt(): Promise<never> {
  throw new AuthsecError('interrupted', 'interrupted')
}
