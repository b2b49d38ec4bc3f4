import { mkdirSync, mkdtempSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { execaNode } from 'execa'
import { type InstalledPackage, installPackage, readDependencies } from './installed-package.js'

/** What a shell sees of a command that has ended. */
export interface Ended {
  code: number | undefined
  stdout: string
  stderr: string
}

export interface RunOptions {
  stdin?: string | Buffer
  env?: Readonly<Record<string, string>>
}

/** A shell in which the packed and installed command can be run, with a configuration of its own. */
export interface Shell {
  /** The directory in which commands run. */
  directory: string
  /** The installed command's script. */
  command: string
  /** The whole environment of its commands. */
  env: Readonly<Record<string, string>>
  run(args: readonly string[], options?: RunOptions): Promise<Ended>
  /** Starts a command that goes on until it is stopped. */
  start(args: readonly string[], options?: RunOptions): Started
  /** Starts `authsec dev serve` on a free port and waits until it is ready. */
  serve(args?: readonly string[]): Promise<DevServer>
  /** Stops what still runs and removes everything. */
  close(): Promise<void>
}

/** A command that still runs. */
export interface Started {
  pid: number
  /** The next line of standard output; rejects with what standard error says when there is none. */
  readLine(): Promise<string>
  /** Waits until it ends by itself. */
  ended(): Promise<Ended>
  /** Sends a signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<Ended>
}

/** A running `authsec dev serve`. */
export interface DevServer {
  /** The line on standard output. */
  ready: Readonly<Record<string, unknown>>
  url: string
  pid: number
  clientId: string
  /** The ready file, which holds the session as well. */
  readyFile: string
  /** What points a command at this server. */
  env: Readonly<Record<string, string>>
  /** Sends a signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<Ended>
}

/** Opens a shell with the command installed in it. */
export function openShell(): Shell {
  const { always, optional } = readDependencies()
  const installation: InstalledPackage = installPackage([...always, ...optional])
  const home = path.join(installation.directory, 'home')
  mkdirSync(home)
  // Nothing of the environment of the test run but the way to the programs.
  const env = { PATH: process.env['PATH'] ?? '', HOME: home, AUTHSEC_CONFIG_DIR: path.join(home, 'config') }
  const running: Running[] = []

  function spawn(args: readonly string[], { stdin = '', env: more }: RunOptions): Running {
    const command = spawnCommand(installation, args, stdin, { ...env, ...more })
    running.push(command)
    return command
  }

  function start(args: readonly string[], options: RunOptions = {}): Started {
    const command = spawn(args, options)
    const lines = createInterface(command.stdout)[Symbol.asyncIterator]()
    return {
      pid: Number(command.pid),
      async readLine() {
        const { done, value } = await lines.next()
        if (!done) return value
        throw new Error(`${args.join(' ')} has ended:\n${(await command).stderr}`)
      },
      ended: async () => describeEnd(await command),
      async stop(signal = 'SIGTERM') {
        command.kill(signal)
        return describeEnd(await command)
      },
    }
  }

  return {
    directory: installation.directory,
    command: installation.command,
    env,
    async run(args, options = {}) {
      return describeEnd(await spawn(args, options))
    },
    start,
    async serve(args = ['--ephemeral']) {
      const readyFile = path.join(mkdtempSync(path.join(installation.directory, 'server-')), 'ready.json')
      const server = start(['dev', 'serve', '--port', '0', '--json', '--ready-file', readyFile, ...args])
      const ready = JSON.parse(await server.readLine())
      const { admin_token } = JSON.parse(readFileSync(readyFile, 'utf8'))
      return {
        ready,
        url: ready.url,
        pid: ready.pid,
        clientId: ready.client_id,
        readyFile,
        env: { AUTHSEC_SERVER: ready.url, AUTHSEC_CLIENT_ID: ready.client_id, AUTHSEC_TOKEN: admin_token },
        stop: server.stop,
      }
    },
    async close() {
      for (const command of running) command.kill('SIGKILL')
      await Promise.allSettled(running)
      installation.remove()
    },
  }
}

type Running = ReturnType<typeof spawnCommand>

function spawnCommand(
  { command, directory }: InstalledPackage,
  args: readonly string[],
  input: string | Buffer,
  env: Readonly<Record<string, string>>,
) {
  const options = { extendEnv: false, reject: false, stripFinalNewline: false } as const
  return execaNode(command, args, { ...options, cwd: directory, env, input })
}

function describeEnd({ exitCode, stdout, stderr }: Awaited<Running>): Ended {
  return { code: exitCode, stdout, stderr }
}
