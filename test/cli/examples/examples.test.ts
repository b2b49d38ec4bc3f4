import { readdir, readFile, writeFile } from 'node:fs/promises'
import { loadJq } from 'jq-wasm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Run, type RunOptions, runCli } from '../../support/run-cli.js'
import { EXAMPLE_CODES } from './example-codes.js'
import { parseShellLine, type Stage } from './shell-line.js'
import { openWorld, type World } from './world.js'

interface Help {
  command: string
  examples: { line: string }[]
  commands: Help[]
}

const help: Help = JSON.parse((await runCli(['help', '--json'])).stdout)
// The demo runs from beginning to end in test/e2e/demo.test.ts, which takes its time.
const EXAMPLES = [...new Set(listExamples(help))].filter((line) => line !== 'authsec demo')

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

describe('an example of the help', () => {
  test.each(EXAMPLES)('works: %s', async (example) => {
    await world.prepare(example)
    const line = await world.adapt(example)
    const runs = await runLine(line, await world.attend(example))
    const last = runs.pop()
    expect(runs.filter(({ code }) => code !== 0)).toEqual([])
    expect(last).toMatchObject({ code: EXAMPLE_CODES[example] ?? 0 })
  })
})

function listExamples({ examples, commands }: Help): string[] {
  return [...examples.map(({ line }) => line), ...commands.flatMap(listExamples)]
}

async function runLine(line: string, options: RunOptions): Promise<Run[]> {
  const runs: Run[] = []
  for (const stage of parseShellLine(line)) {
    const last = runs.at(-1)
    if (stage.after === 'failure' && last?.code === 0) continue
    if (stage.after === 'failure') runs.pop()
    const stdin = stage.from === undefined ? (last?.stdout ?? '') : await readFile(stage.from, 'utf8')
    const run = await runStage(stage, stdin, options)
    if (stage.to !== undefined) await writeFile(stage.to, run.stdout)
    runs.push(run)
  }
  return runs
}

async function runStage({ words }: Stage, stdin: string, options: RunOptions): Promise<Run> {
  const [program, ...rest] = await expand(words)
  if (program === 'jq') return filterByJq(rest, stdin)
  if (program !== 'authsec') return { code: 0, stdout: 'correct horse battery\n', stderr: '' }
  return world.run(rest, { stdin, ...options })
}

async function expand(words: readonly string[]): Promise<string[]> {
  const expanded = await Promise.all(
    words.map(async (word) =>
      word === 'tokens/*.jwt' ? (await readdir('tokens')).map((name) => `tokens/${name}`) : [word],
    ),
  )
  return expanded.flat()
}

async function filterByJq(words: readonly string[], stdin: string): Promise<Run> {
  const flags = words.filter((word) => word.startsWith('-'))
  const [filter = '.'] = words.filter((word) => !word.startsWith('-'))
  const { stdout, stderr, exitCode: code } = (await loadJq()).raw(stdin, filter, flags)
  return { code, stdout, stderr }
}
