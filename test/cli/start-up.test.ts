import { spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildCommand } from '../support/built-command.js'
import { runCli } from '../support/run-cli.js'

/** Says at the end, on standard error, which files and which modules of Node a process has loaded. */
const REPORT = `
const atFirst = new Set(process.moduleLoadList)
process.on('exit', () => {
  const files = Object.keys(require.cache)
  const modules = process.moduleLoadList.filter((name) => !atFirst.has(name))
  process._rawDebug(JSON.stringify({ files, modules }))
})
`

let directory: string
let script: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'authsec-start-up-'))
  script = await buildCommand(directory)
  await writeFile(join(directory, 'report.cjs'), REPORT)
}, 60_000)

afterAll(() => rm(directory, { recursive: true, force: true }))

describe('the start of the command', () => {
  test.each([
    { args: ['--version'], files: ['main'] },
    { args: ['-V', '--json'], files: ['main'] },
    { args: ['token', 'decode'], files: ['main', 'token-decode'] },
    { args: ['token', 'decode', '--json'], files: ['main', 'token-decode'] },
    { args: ['token', 'decode', '--help'], files: ['main', 'token-decode'] },
    { args: ['token', 'verify'], files: ['main', 'token-verify'] },
  ])('opens only $files for $args', ({ args, files }) => {
    expect(run(args).files).toEqual(files)
  })

  test('reads no line of what only the commands of the audit log need', async () => {
    const main = await readFile(join(directory, 'dist/cli/main.cjs'), 'utf8')
    // Not the whole file in the report of a failure.
    expect(main.includes('audit-logs.json')).toBe(false)
  })

  test('opens nothing that talks to a server for a token and its key', async () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const key = join(directory, 'key.jwk')
    await writeFile(key, JSON.stringify(publicKey.export({ format: 'jwk' })))
    const { files, modules } = run(['token', 'verify', '--key', key], TOKEN)
    expect(files).toEqual(['main', 'token-verify', 'foreign-token'])
    expect(modules.filter((name) => /\b(?:fs\/promises|http|https|net|tls|undici)\b/.test(name))).toEqual([])
  })

  test('knows everything that the help says, although each command is a file of its own', async () => {
    const { stdout } = spawnSync(process.execPath, [script, 'help', '--json'], { encoding: 'utf8' })
    expect(JSON.parse(stdout)).toEqual(JSON.parse((await runCli(['help', '--json'])).stdout))
  })

  test('opens what colours only where there is colour', () => {
    expect(run(['token', 'decode'], TOKEN).files).not.toContain('chalk')
    expect(run(['token', 'decode', '--color', 'always'], TOKEN).files).toEqual([
      'main',
      'token-decode',
      'chalk',
    ])
  })

  test.each([{ args: ['--version'] }, { args: ['token', 'decode'] }])(
    'loads none of the modules of Node that cost time for $args',
    ({ args }) => {
      const costly =
        /\b(?:abort_controller|child_process|crypto|dns|fs\/promises|http|https|esm\/resolve|net|readline|streams?|tls|tty|url|undici|worker)\b/
      expect(run(args, TOKEN).modules.filter((name) => costly.test(name))).toEqual([])
    },
  )
})

const TOKEN = `${encode({ alg: 'ES256' })}.${encode({ sub: 'alice' })}.${'A'.repeat(86)}`

function run(args: readonly string[], input = ''): { files: string[]; modules: string[] } {
  const { stderr } = spawnSync(process.execPath, ['-r', join(directory, 'report.cjs'), script, ...args], {
    env: { PATH: process.env['PATH'], AUTHSEC_CONFIG_DIR: directory },
    input,
    encoding: 'utf8',
  })
  const { files, modules } = JSON.parse(stderr.trimEnd().split('\n').at(-1) as string)
  const ours = (files as string[]).map((file) => /dist\/cli\/(.+)\.cjs$/.exec(file)?.[1])
  return { files: ours.filter((name) => name !== undefined), modules }
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}
