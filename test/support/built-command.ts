import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { copyFile, cp, mkdir, mkdtemp, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { inject } from 'vitest'
import { makeDirectory } from './run-cli.js'

const ROOT = join(import.meta.dirname, '../..')

/** A command that runs as a process of its own. */
export interface RunningCommand {
  /** Resolves when the process has ended. */
  ended: Promise<{ code: number | null; stdout: string; stderr: string }>
  signal(name: NodeJS.Signals): void
  input(text: string): void
}

/** Builds the command into a directory as it is installed; returns the script. */
export async function buildCommand(directory: string): Promise<string> {
  await cp(await findBuilt(), directory, { recursive: true })
  return join(directory, 'bin/authsec.cjs')
}

/** Bundles the command, once for a whole run. */
async function findBuilt(): Promise<string> {
  const place = inject('buildPlace')
  const built = join(place, 'command')
  if (existsSync(built)) return built
  const mine = await mkdtemp(join(place, 'building-'))
  await promisify(execFile)(process.execPath, [join(ROOT, 'scripts/bundle.js'), join(mine, 'dist/cli')])
  await mkdir(join(mine, 'bin'))
  await copyFile(join(ROOT, 'bin/authsec.cjs'), join(mine, 'bin/authsec.cjs'))
  await copyFile(join(ROOT, 'package.json'), join(mine, 'package.json'))
  // Whoever has been building meanwhile may be faster.
  return rename(mine, built).then(
    () => built,
    () => mine,
  )
}

/** Starts the built command. Standard input stays open until the test says something. */
export async function startCommand(
  script: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<RunningCommand> {
  const child = spawn(process.execPath, [script, ...args], {
    env: { PATH: process.env['PATH'], AUTHSEC_CONFIG_DIR: await makeDirectory(), ...env },
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  return {
    ended: new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr }))),
    signal: (name) => child.kill(name),
    input: (text) => child.stdin.end(text),
  }
}
