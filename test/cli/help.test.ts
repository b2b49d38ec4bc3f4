import { describe, expect, test } from 'vitest'
import { openStore } from '../../src/store/open.js'
import { refusalOf } from '../support/authority-bench.js'
import { runCli } from '../support/run-cli.js'

interface CommandHelp {
  command: string
  examples: { line: string }[]
  flags: { name: string }[]
  commands: CommandHelp[]
}

describe('the help', () => {
  test('of everything is what it was: a change here changes what users rely on', async () => {
    const { stdout } = await runCli(['help', '--json'])
    expect(JSON.parse(stdout)).toMatchSnapshot()
  })

  test('is the same for --help and help', async () => {
    const [flag, command] = [
      await runCli(['token', 'mint', '--help']),
      await runCli(['help', 'token', 'mint']),
    ]
    expect(flag).toEqual(command)
    expect(flag).toMatchObject({ code: 0, stderr: '' })
  })

  test('of each command is the same when that command alone is loaded', async () => {
    const whole = listLeaves(JSON.parse((await runCli(['help', '--json'])).stdout))
    const alone = await Promise.all(
      whole.map(async ({ command }) => {
        const { stdout } = await runCli([...command.split(' ').slice(1), '--help', '--json'])
        return JSON.parse(stdout)
      }),
    )
    expect(alone).toEqual(whole)
  })

  test('is laid out with the examples before the flags', async () => {
    const { stdout } = await runCli(['token', 'mint', '--help'], { columns: 80 })
    expect(stdout).toMatchSnapshot()
    expect(
      Math.max(
        ...stdout
          .split('\n')
          .filter((line) => !line.includes('authsec token mint'))
          .map((line) => line.length),
      ),
    ).toBeLessThanOrEqual(82)
  })

  test.each([['exit-codes'], ['environment'], ['filters'], ['formatting'], ['store']])(
    'explains %s, also as data',
    async (topic) => {
      const text = await runCli(['help', topic])
      expect(text.stdout).toMatchSnapshot()
      const data = await runCli(['help', topic, '--json'])
      expect(Object.keys(JSON.parse(data.stdout)).length).toBeGreaterThan(5)
    },
  )

  test('of the address of a database names the options that it takes, and no other', async () => {
    const { hint } = await refusalOf(openStore('postgres://h/d?none=1'))
    const taken = /^The options are (.+)\.$/.exec(hint ?? '')?.[1]?.split(', ') ?? []
    const { stdout } = await runCli(['help', 'store', '--json'])
    expect(Object.keys(JSON.parse(stdout)).sort()).toEqual(taken.sort())
  })

  test.each([
    {
      args: ['help', 'tokn'],
      stderr:
        /^authsec: authsec has no command "tokn"\nhint: See authsec --help; topics: exit-codes, environment, filters, formatting, seed, store\.\n$/,
    },
    { args: ['help', 'constructor'], stderr: /^authsec: authsec has no command "constructor"/ },
    { args: ['help', 'token', 'burn'], stderr: /^authsec: authsec token has no command "burn"/ },
  ])('of what does not exist is a usage error: $args', async ({ args, stderr }) => {
    expect(await runCli(args)).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(stderr) })
  })

  test('shows examples that name only commands and flags that exist', async () => {
    const { stdout } = await runCli(['help', '--json'])
    const leaves = listLeaves(JSON.parse(stdout))
    const unknown = leaves
      .flatMap(({ examples }) => examples)
      .flatMap(({ line }) => findCalls(line))
      .filter((words) => !isCall(words, leaves))
    expect(unknown).toEqual([])
  })

  test('gives every command an example', async () => {
    const { stdout } = await runCli(['help', '--json'])
    const bare = listLeaves(JSON.parse(stdout)).filter(({ examples }) => examples.length === 0)
    expect(bare.map(({ command }) => command)).toEqual([])
  })
})

function listLeaves(tree: CommandHelp): CommandHelp[] {
  return tree.commands.length === 0 ? [tree] : tree.commands.flatMap(listLeaves)
}

// Every call of authsec in a line of shell, as words.
function findCalls(line: string): string[][] {
  return [...line.matchAll(/\bauthsec ([^|)]*)/g)].map(([call]) =>
    // What stands behind -- is another program.
    call
      .replace(/ -- .*$/, '')
      .replace(/["']/g, '')
      .trim()
      .split(/\s+/),
  )
}

function isCall(words: readonly string[], leaves: readonly CommandHelp[]): boolean {
  const leaf = leaves.find(({ command }) => {
    const path = command.split(' ')
    return path.every((word, index) => words[index] === word)
  })
  if (leaf === undefined) return false
  const known = leaf.flags.flatMap(({ name }) => name.split(/[ ,]+/))
  return words.filter((word) => /^--?\w/.test(word)).every((flag) => known.includes(flag))
}
