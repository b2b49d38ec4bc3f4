import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable, Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { type Clock, createContext, readEnvironment } from '../../src/cli/context.js'
import type { Keychain } from '../../src/cli/keychain.js'
import { main } from '../../src/cli/main.js'
import type { Choice, Prompts } from '../../src/cli/prompts.js'
import { doAfterEach } from './after-each.js'
import { NO_KEYCHAIN } from './memory-keychain.js'
import { assertOutput } from './output-schema.js'

export interface RunOptions {
  /** Standard input; a stream where the test decides when it ends. */
  stdin?: string | Buffer | Readable
  /** Which of the three streams are terminals. */
  tty?: boolean | { stdin?: boolean; stdout?: boolean; stderr?: boolean }
  columns?: number
  /** The environment; without AUTHSEC_CONFIG_DIR the configuration directory is a fresh one. */
  env?: Readonly<Record<string, string>>
  fetch?: typeof fetch
  clock?: Partial<Clock>
  random?: () => number
  signal?: AbortSignal
  /** The keychain of the system; otherwise none answers. */
  keychain?: Keychain
  /** Where the command is called; otherwise in the configuration directory. */
  workingDirectory?: string
  /** The answers of the person at the prompts, in order. */
  answers?: readonly string[]
  /** Who is asked instead, where it matters how. */
  prompts?: Prompts
  /** Whether nobody reads standard output any more. */
  isOutputClosed?: boolean
  /** Called with everything that is printed so far to standard output, whenever there is more. */
  onOutput?: (stdout: string) => void
  /** The same for standard error. */
  onComplaint?: (stderr: string) => void
}

/** What a shell sees of a command. */
export interface Run {
  code: number
  stdout: string
  stderr: string
}

const directories: string[] = []

doAfterEach(async () => {
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true, force: true })
})

/** A directory that is gone after the test. */
export async function makeDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'authsec-test-'))
  directories.push(directory)
  return directory
}

/**
 * Runs the command line in this process, with a context built by hand. Throws where a command prints with --json what
 * its schema does not say.
 */
export async function runCli(args: readonly string[], options: RunOptions = {}): Promise<Run> {
  const { stdin = '', tty = false, columns = 120, env = {}, answers = [] } = options
  const terminals = typeof tty === 'boolean' ? { stdin: tty, stdout: tty, stderr: tty } : tty
  const stdout = options.isOutputClosed ? closeStream() : collectStream(options.onOutput)
  const stderr = collectStream(options.onComplaint)
  const input = stdin instanceof Readable ? stdin : Readable.from([Buffer.from(stdin)])
  const home = env['AUTHSEC_CONFIG_DIR'] ?? (await makeDirectory())
  const context = createContext({
    streams: {
      stdin: Object.assign(input, { isTTY: terminals.stdin ?? false }),
      stdout: Object.assign(stdout.stream, { isTTY: terminals.stdout ?? false, columns }),
      stderr: Object.assign(stderr.stream, { isTTY: terminals.stderr ?? false }),
    },
    environment: readEnvironment(
      { AUTHSEC_CONFIG_DIR: home, ...env },
      'linux',
      home,
      options.workingDirectory,
    ),
    clock: { now: () => NOW, sleep: sleepForReal, ...options.clock },
    random: options.random ?? (() => 0.5),
    fetch: options.fetch ?? refuseToCall,
    signal: options.signal ?? new AbortController().signal,
    prompts: options.prompts ?? answerWith(answers),
    keychain: options.keychain ?? NO_KEYCHAIN,
  })
  const code = await main(args, context)
  const printed = { stdout: stdout.text(), stderr: stderr.text() }
  assertOutput(args, printed)
  return { code, ...printed }
}

/** The time at which commands run unless a test says otherwise. */
export const NOW: number = Date.parse('2026-08-21T12:00:00Z')

function collectStream(onText: (text: string) => void = () => {}) {
  const chunks: Buffer[] = []
  const stream = new PassThrough()
  const text = () => Buffer.concat(chunks).toString('utf8')
  stream.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    onText(text())
  })
  return { stream, text }
}

// A pipe whose reader has gone away.
function closeStream() {
  const stream = new Writable({
    write(_chunk, _encoding, callback) {
      callback(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
    },
  })
  return { stream, text: () => '' }
}

function answerWith(answers: readonly string[]): Prompts {
  const left = [...answers]
  async function ask(question: string): Promise<string> {
    const answer = left.shift()
    if (answer === undefined) throw new Error(`nobody answers ${question}`)
    return answer
  }
  return {
    ask,
    askSecret: ask,
    choose: async (question, choices) => findChoice(choices, await ask(question)),
    async chooseSome(question, choices) {
      const names = (await ask(question)).split(',').filter(Boolean)
      return names.map((name) => findChoice(choices, name))
    },
  }
}

// A person sees the names, and can choose nothing that is not there.
function findChoice(choices: readonly Choice[], name: string): string {
  const choice = choices.find((candidate) => candidate.name === name)
  if (choice === undefined)
    throw new Error(`${name} is none of ${choices.map((choice) => choice.name).join(', ')}`)
  return choice.value
}

async function sleepForReal(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => {
    throw signal.reason
  })
}

async function refuseToCall(): Promise<never> {
  throw new Error('this command must not call anybody')
}
