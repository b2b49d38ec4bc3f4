import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { build } from 'esbuild'
import { inject } from 'vitest'

// Without the flags by which a worker gets the modules and the globals of Node.
const CONFIG = `
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .main), (name = "loopback", network = (allow = ["local"]))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")]
);
const main :Workerd.Worker = (
  modules = [(name = "main", esModule = embed "main.js")],
  compatibilityDate = "2026-01-01",
  globalOutbound = "loopback"
);`

const binary = findBinary()

/** Whether tests that run workerd are left out, because this platform has none; on CI they fail instead. */
export const isWorkerdMissing: boolean = binary === undefined && !process.env['CI']

export interface Worker {
  url: string
  stop(): Promise<void>
}

/** Bundles a program for no platform, with what is installed in a directory, and serves it by workerd on this machine. */
export async function startWorker(program: string, directory: string): Promise<Worker> {
  if (binary === undefined) throw new Error('no workerd runs on this machine')
  const place = mkdtempSync(path.join(inject('buildPlace'), 'worker-'))
  await build({
    stdin: { contents: program, resolveDir: directory },
    outfile: path.join(place, 'main.js'),
    bundle: true,
    platform: 'neutral',
    format: 'esm',
  })
  writeFileSync(path.join(place, 'config.capnp'), CONFIG)
  const child = spawn(binary, ['serve', 'config.capnp', '--control-fd=3'], {
    cwd: place,
    stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
  })
  const ended = once(child, 'exit')
  async function stop() {
    child.kill()
    await ended
  }
  const told = once(createInterface(child.stdio[3] as Readable), 'line')
  const first = await Promise.race([told, ended.then(() => undefined)])
  if (first === undefined) throw new Error('workerd has ended before it listened')
  return { url: `http://127.0.0.1:${JSON.parse(first[0]).port}`, stop }
}

function findBinary(): string | undefined {
  const require = createRequire(import.meta.url)
  try {
    const { default: found }: { default: string } = require('workerd')
    return spawnSync(found, ['--version']).status === 0 ? found : undefined
  } catch {
    return undefined
  }
}
