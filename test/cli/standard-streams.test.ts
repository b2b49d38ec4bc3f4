import { execFileSync, spawn } from 'node:child_process'
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildCommand } from '../support/built-command.js'
import { formatUnsignedJwt } from '../support/unsigned-jwt.js'

/** Tells, on standard error, what becomes of each attempt to read or write without waiting for it. */
const WATCH = `
const fs = require('node:fs')
for (const name of ['readSync', 'writeSync']) {
  const real = fs[name]
  fs[name] = (...args) => {
    process._rawDebug(name)
    try {
      return real(...args)
    } catch (error) {
      process._rawDebug(name + ' ' + error.code)
      throw error
    }
  }
}
`
const TOKEN = formatUnsignedJwt({ alg: 'ES256' }, { sub: 'user-1' })
/** More than a pipe holds, once it is laid out. */
const LARGE_TOKEN = formatUnsignedJwt({ alg: 'ES256' }, { list: Array.from({ length: 9_000 }, () => 1) })

let directory: string
let script: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'authsec-streams-'))
  script = await buildCommand(directory)
  await writeFile(join(directory, 'watch.cjs'), WATCH)
}, 60_000)

afterAll(() => rm(directory, { recursive: true, force: true }))

describe('a command that only reads', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)(
    'is ended by %s while it waits for standard input',
    async (signal) => {
      const run = start(['token', 'decode'])
      await run.says('readSync')
      run.child.kill(signal)
      expect(await run.ended).toEqual({ code: null, signal })
    },
  )

  test('is a quiet success where nobody reads standard output', async () => {
    const pipe = openPipe('unread')
    closeSync(pipe.reading)
    const run = start(['token', 'decode'], { to: pipe.writing })
    run.child.stdin?.end(TOKEN)
    expect(await run.ended).toEqual({ code: 0, signal: null })
    expect(run.complaints()).toMatch(/^writeSync EPIPE$/m)
    expect(run.complaints()).not.toContain('authsec:')
    closeSync(pipe.writing)
  })

  test('finds nothing where standard input is closed', async () => {
    const run = start(['token', 'decode'], { more: '<&-' })
    expect(await run.ended).toEqual({ code: 16, signal: null })
    expect(run.complaints()).toContain('authsec: the token is empty')
  })

  // Whoever has opened a pipe so shares that with everybody who inherits it, as Node does with its children.
  test('waits for a pipe that does not make it wait, and reads what comes', async () => {
    const pipe = openPipe('input')
    const run = start(['token', 'decode', '--raw'], { from: pipe.reading })
    await run.says('readSync EAGAIN')
    writeSync(pipe.writing, TOKEN)
    closeSync(pipe.writing)
    expect(await run.ended).toEqual({ code: 0, signal: null })
    expect(run.output()).toContain('{"sub":"user-1"}')
    closeSync(pipe.reading)
  })

  test('waits for such a pipe that is full, and leaves nothing out', async () => {
    const pipe = openPipe('output')
    const filler = fill(pipe.writing)
    const run = start(['token', 'decode', '--json'], { to: pipe.writing })
    run.child.stdin?.end(LARGE_TOKEN)
    await run.says('writeSync EAGAIN')
    closeSync(pipe.writing)
    const text = await drain(pipe.reading, run.ended)
    expect(await run.ended).toEqual({ code: 0, signal: null })
    expect(JSON.parse(text.slice(filler)).claims.list).toHaveLength(9_000)
    closeSync(pipe.reading)
  })
})

/** Both ends of a pipe; neither makes anybody wait. */
function openPipe(name: string): { reading: number; writing: number } {
  const file = join(directory, name)
  execFileSync('mkfifo', [file])
  const reading = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK)
  return { reading, writing: openSync(file, constants.O_WRONLY | constants.O_NONBLOCK) }
}

function fill(pipe: number): number {
  let written = 0
  try {
    for (;;) written += writeSync(pipe, '.'.repeat(4096))
  } catch {
    return written
  }
}

/** Reads a pipe until nobody can write into it any more. */
async function drain(pipe: number, ended: Promise<unknown>): Promise<string> {
  const buffer = Buffer.alloc(65_536)
  const chunks: Buffer[] = []
  let hasEnded = false
  const end = ended.then(() => {
    hasEnded = true
  })
  for (;;) {
    const isLast = hasEnded
    try {
      const size = readSync(pipe, buffer)
      if (size === 0) break
      chunks.push(Buffer.from(buffer.subarray(0, size)))
    } catch {
      if (isLast) break
      // Nothing is there just now.
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  await end
  return Buffer.concat(chunks).toString('utf8')
}

function start(
  args: readonly string[],
  { from, to, more = '' }: { from?: number; to?: number; more?: string } = {},
) {
  // Node makes its children wait for what it hands them as one of the three streams; a shell changes nothing.
  const shell = `exec "$@" ${from === undefined ? '' : '<&3'} ${to === undefined ? '' : '>&3'} ${more}`
  const command = [process.execPath, '-r', join(directory, 'watch.cjs'), script, ...args]
  const child = spawn('sh', ['-c', shell, 'sh', ...command], {
    stdio: ['pipe', 'pipe', 'pipe', from ?? to ?? 'ignore'],
    env: { PATH: process.env['PATH'], AUTHSEC_CONFIG_DIR: directory },
  })
  let [output, complaints] = ['', '']
  child.stdout?.on('data', (chunk) => {
    output += chunk
  })
  child.stderr?.on('data', (chunk) => {
    complaints += chunk
    child.emit('complaint')
  })
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal }))
  })
  return {
    child,
    ended,
    output: () => output,
    complaints: () => complaints,
    /** Resolves when this line stands on standard error. */
    async says(line: string): Promise<void> {
      const isSaid = () => complaints.split('\n').includes(line)
      while (!isSaid()) await new Promise((resolve) => child.once('complaint', resolve))
    },
  }
}
