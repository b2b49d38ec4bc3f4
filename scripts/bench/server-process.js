import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/**
 * Starts a server as a process of its own and waits for the line of JSON that says its `url`. Rejects with what it
 * wrote to standard error when it ends before.
 */
export async function startServerProcess(script, args = [], env = {}) {
  const child = spawn(process.execPath, [script, ...args], {
    // Express and koa are slower, and say more, without it.
    env: { PATH: process.env.PATH, NODE_ENV: 'production', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    errors += chunk
  })
  const ended = once(child, 'exit')
  return {
    ready: await readReadyLine(child.stdout, () => `${script} has ended:\n${errors}`),
    async stop() {
      child.kill('SIGTERM')
      await ended
    },
  }
}

async function readReadyLine(stdout, describeEnd) {
  const lines = createInterface(stdout)
  // A server may talk before it is ready.
  for await (const line of lines) {
    if (!line.startsWith('{')) continue
    // Whatever else it prints is read and dropped, so that it never waits for us.
    stdout.resume()
    return JSON.parse(line)
  }
  throw new Error(describeEnd())
}
