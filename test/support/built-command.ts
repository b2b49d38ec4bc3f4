import { execFile, spawn } from 'node:child_process'
import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
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
  const bundle = join(ROOT, 'scripts/bundle.js')
  await promisify(execFile)(process.execPath, [bundle, join(directory, 'dist/cli')])
  await mkdir(join(directory, 'bin'))
  await copyFile(join(ROOT, 'bin/authsec.cjs'), join(directory, 'bin/authsec.cjs'))
  await copyFile(join(ROOT, 'package.json'), join(directory, 'package.json'))
  return join(directory, 'bin/authsec.cjs')
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
