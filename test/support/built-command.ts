import { spawn } from 'node:child_process'
import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'
import { makeDirectory } from './run-cli.js'

const ROOT = join(import.meta.dirname, '../..')

/** A command that runs as a process of its own. */
export interface RunningCommand {
  /** Resolves when the process has ended. */
  ended: Promise<{ code: number | null; stdout: string; stderr: string }>
  signal(name: NodeJS.Signals): void
  input(text: string): void
}

/** Builds the command into a directory as it is installed, without the server and the demo; returns the script. */
export async function buildCommand(directory: string): Promise<string> {
  await build({
    absWorkingDir: ROOT,
    entryPoints: ['src/cli/main.ts'],
    outdir: join(directory, 'dist/cli'),
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    banner: {
      js: "import { createRequire as createRequireHere } from 'node:module'\nconst require = createRequireHere(import.meta.url)",
    },
    plugins: [
      {
        name: 'elsewhere',
        setup: (plugin) =>
          plugin.onResolve({ filter: /\/(?:server|demo)\// }, ({ path }) => ({ path, external: true })),
      },
    ],
  })
  await mkdir(join(directory, 'bin'))
  await copyFile(join(ROOT, 'bin/authsec.js'), join(directory, 'bin/authsec.js'))
  await copyFile(join(ROOT, 'package.json'), join(directory, 'package.json'))
  return join(directory, 'bin/authsec.js')
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
