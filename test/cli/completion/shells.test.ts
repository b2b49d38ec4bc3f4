import { execFileSync, type StdioOptions } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runCli } from '../../support/run-cli.js'
import { isMissing } from '../../support/system-program.js'

const CLIENT = '0c6f9a52-1f4e-4f0a-8d39-5b1a7c2e4d10'

let directory: string
const scripts: Record<string, string> = {}
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "authsec-it's "))
  await mkdir(join(directory, 'completion'))
  await writeFile(join(directory, 'completion/clients'), `${CLIENT}\nbilling-bot\n`)
  await writeFile(join(directory, 'completion/profiles'), 'dev\nstaging\n')
  for (const shell of ['bash', 'zsh', 'fish', 'powershell']) {
    const { stdout } = await runCli(['completion', shell], { env: { AUTHSEC_CONFIG_DIR: directory } })
    scripts[shell] = join(directory, `authsec.${shell}`)
    await writeFile(scripts[shell], stdout)
  }
})
afterAll(() => rm(directory, { recursive: true, force: true }))

/** What a line is completed with, whatever is in the environment of the test. */
const COMPLETERS: Record<string, (line: string) => string[]> = {
  bash(line) {
    const words = line.split(/ |(?==)|(?<==)/)
    const program = `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _authsec
      printf '%s\\n' "\${COMPREPLY[@]}"`
    return run('bash', ['--norc', '-c', program, 'bash', scripts['bash'] as string, ...words])
  },
  zsh(line) {
    const driver = join(import.meta.dirname, 'complete.zsh')
    const output = run('zsh', ['-f', driver, scripts['zsh'] as string, directory, line])
    return output.flatMap((text) => /FOUND:(\S+)/.exec(text)?.[1] ?? [])
  },
  fish(line) {
    const program = `source $argv[1]; complete -C $argv[2]`
    const output = run('fish', ['--no-config', '-c', program, scripts['fish'] as string, line])
    return output.map((text) => text.split('\t')[0]?.replace(/^--[\w-]+=/, '') as string)
  },
}

describe.each(Object.keys(COMPLETERS))('%s', (shell) => {
  test.skipIf(isMissing(shell)).each([
    { what: 'groups and commands', line: 'authsec to', found: ['token'] },
    { what: 'the commands of a group', line: 'authsec token m', found: ['mint'] },
    { what: 'flags', line: 'authsec token mint --aud', found: ['--audience'] },
    { what: 'flags that every command has', line: 'authsec profile use --no', found: ['--no-input'] },
    { what: 'choices', line: 'authsec login --generation ', found: ['A', 'B', 'P'] },
    { what: 'clients as the value of a flag', line: 'authsec token mint --client b', found: ['billing-bot'] },
    { what: 'clients as an argument', line: 'authsec client show 0', found: [CLIENT] },
    { what: 'profiles as the value of a flag', line: 'authsec whoami --profile s', found: ['staging'] },
    { what: 'choices behind =', line: 'authsec login --generation=', found: ['A', 'B', 'P'] },
    { what: 'clients behind =', line: 'authsec token mint --client=b', found: ['billing-bot'] },
    { what: 'a word in quotes', line: 'authsec client show "bil', found: ['billing-bot'] },
    { what: 'profiles as an argument', line: 'authsec profile use ', found: ['dev', 'staging'] },
    { what: 'nothing for another program', line: 'authsec exec -- --aud', found: [] },
  ])('completes $what: $line', ({ line, found }) => {
    expect(COMPLETERS[shell]?.(line).sort()).toEqual(found)
  })
})

describe('the script', () => {
  test.each([
    { shell: 'bash', check: ['bash', '-n'] },
    { shell: 'zsh', check: ['zsh', '-n'] },
    { shell: 'fish', check: ['fish', '--no-execute'] },
  ])('for $shell is understood by the shell', ({ shell, check: [program = '', ...flags] }) => {
    if (isMissing(program)) return
    expect(run(program, [...flags, scripts[shell] as string])).toEqual([])
  })

  test('for PowerShell names every command and quotes as it does', async () => {
    const { stdout } = await runCli(['completion', 'powershell'], { env: { AUTHSEC_CONFIG_DIR: directory } })
    expect(stdout).toContain("'authsec token mint' = @{ next = ")
    expect(stdout).toContain("'--client' = 'clients'")
    expect(stdout).toContain(`{ '${directory.replaceAll("'", "''")}' }`)
  })

  test('is a usage error for another shell', async () => {
    expect(await runCli(['completion', 'tcsh'])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(
        /^authsec: 'tcsh' is invalid for argument 'shell'\. Allowed choices are bash, zsh, fish, powershell/,
      ),
    })
  })
})

function run(program: string, args: readonly string[]): string[] {
  const env = { PATH: process.env['PATH'], HOME: directory, TERM: 'dumb', LC_ALL: 'C.UTF-8' }
  const stdio: StdioOptions = ['ignore', 'pipe', 'ignore']
  const output = execFileSync(program, args, { cwd: directory, env, encoding: 'utf8', stdio })
  return output.split(/\r?\n/).filter((line) => line !== '')
}
