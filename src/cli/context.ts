import { readFileSync } from 'node:fs'
import { homedir, userInfo } from 'node:os'
import { join } from 'node:path'
import { anySignal } from '../core/any-signal.js'
import { AuthsecError } from '../core/errors.js'
import { lazily } from '../core/lazily.js'
import { type Config, createConfig } from './config.js'
import { type Credentials, createCredentials } from './credentials.js'
import { type ColorChoice, createIo, type Io, type Streams } from './io.js'
import { createKeychain, type Keychain } from './keychain.js'
import { createProjectFile, type ProjectFile } from './project-file.js'
import { createPrompts, type Prompts } from './prompts.js'
import { openSignals } from './signals.js'
import { openStandardStreams } from './standard-streams.js'

/**
 * Everything a command may reach; nothing in it is loaded or opened before it is used. That holds for Node's own
 * modules too: those that few commands use are imported where they are used, because every start pays for them.
 */
export interface Context {
  readonly io: Io
  readonly prompts: Prompts
  readonly config: Config
  readonly project: ProjectFile
  readonly credentials: Credentials
  readonly keychain: Keychain
  readonly environment: Environment
  readonly clock: Clock
  /** A number in [0, 1), for back-off. */
  readonly random: () => number
  /** Ends with `signal`. */
  readonly fetch: typeof fetch
  /** The same without that end, for what has to be undone after it. */
  readonly fetchAtEnd: typeof fetch
  /** The exit code when nothing is thrown. */
  readonly status: { code: number }
  /**
   * Aborted by Ctrl-C, SIGTERM or a closed pipe; the reason is an `AuthsecError` that says which. They are listened
   * to from the first use on, which is the beginning of the command unless it only reads: until then, they end it at
   * once, as they end any program.
   */
  readonly signal: AbortSignal
  readVersion(): string
  /** Gives the signals back to Node. */
  readonly close: () => void
}

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Waits so many milliseconds; rejects with the reason when `signal` is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

/** What the environment variables say; empty ones count as unset. */
export interface Environment {
  server: string | undefined
  clientId: string | undefined
  /** An admin session. */
  token: string | undefined
  /** The identity token of a job. */
  identityToken: string | undefined
  tenantId: string | undefined
  profile: string | undefined
  /** The key-encryption key of the state of a server. */
  kek: string | undefined
  configDirectory: string
  /** Where the project file is looked for, from here upwards. */
  workingDirectory: string
  /** Where `dev serve` keeps its state. */
  stateDirectory: string
  color: ColorChoice
  /** Whether output and prompts are for somebody who hears them: nothing is drawn, choices have numbers. */
  isAccessible: boolean
  /** All of them as they are, for a program that is started. */
  variables: Readonly<Record<string, string | undefined>>
  isGitHubActions: boolean
  isDebugging: boolean
}

/** The names of a variable, in the order in which they count. */
const NAMES = {
  server: ['AUTHSEC_SERVER', 'AUTHSEC_BASE_URL'],
  clientId: ['AUTHSEC_CLIENT_ID', 'AUTHSEC_AGENT_CLIENT_ID'],
  tenantId: ['AUTHSEC_TENANT'],
  profile: ['AUTHSEC_PROFILE'],
} as const

/** The variable that says what is read under a name, as somebody has written it. */
export function findVariable(
  { variables }: Pick<Environment, 'variables'>,
  member: keyof typeof NAMES,
): string {
  return NAMES[member].find((name) => variables[name]) ?? NAMES[member][0]
}

/** The variables that the command and the programs of agents read, for the help. */
export const ENVIRONMENT_MEANINGS = {
  AUTHSEC_SERVER: 'address of the server (also AUTHSEC_BASE_URL)',
  AUTHSEC_CLIENT_ID: 'the client that is meant when no flag names one (also AUTHSEC_AGENT_CLIENT_ID)',
  AUTHSEC_CLIENT_KEY_FILE: "file with the client's private key, which programs read that use the SDK",
  AUTHSEC_CLIENT_SECRET_FILE: "file with the client's secret, which programs read that use the SDK",
  AUTHSEC_TOKEN: 'session of an admin; it is sent to the server in use',
  AUTHSEC_ID_TOKEN: 'identity token of a job of GitLab CI, for authsec ci oidc',
  AUTHSEC_TENANT: 'UUID of the tenant',
  AUTHSEC_PROFILE: 'name of the profile to use',
  AUTHSEC_KEK: 'key-encryption key of the state of a server, 32 bytes in base64',
  PGPASSWORD: 'password of the database that --store names',
  AUTHSEC_CONFIG_DIR: 'directory of config.json and credentials.json',
  XDG_CONFIG_HOME: 'where that directory is, named authsec, without AUTHSEC_CONFIG_DIR (~/.config)',
  XDG_STATE_HOME: 'where authsec dev serve keeps its state, in authsec/dev (~/.local/state)',
  AUTHSEC_DEBUG: '1 prints the stack of an error; it holds no secret',
  ACCESSIBLE: '1 draws nothing: tables become lists, choices have numbers',
  NO_COLOR: 'no colour; wins over FORCE_COLOR and CLICOLOR_FORCE',
  FORCE_COLOR: 'colour also where there is no terminal (also CLICOLOR_FORCE)',
} as const

/** The world outside, which a test replaces. */
export interface Surroundings {
  streams: Streams
  environment: Environment
  clock: Clock
  random: () => number
  fetch: typeof fetch
  /** Aborted from outside; see `Context.signal`. */
  signal: AbortSignal
  prompts?: Prompts
  keychain?: Keychain
  close?: () => void
}

/** Builds the context of one run out of its surroundings. */
export function createContext(surroundings: Surroundings): Context {
  const { streams, environment, clock, random } = surroundings
  const closedPipe = lazily(() => new AbortController())
  const signal = lazily(() => anySignal([surroundings.signal, closedPipe().signal]))
  const keychain = surroundings.keychain ?? createKeychain()
  return {
    io: createIo({
      streams,
      color: environment.color,
      isAccessible: environment.isAccessible,
      signal,
      onClosed: () => closedPipe().abort(new AuthsecError('output_closed', 'standard output was closed')),
    }),
    prompts: surroundings.prompts ?? createPrompts(streams, signal, environment.isAccessible),
    config: createConfig(environment.configDirectory),
    project: createProjectFile(environment.workingDirectory),
    credentials: createCredentials(environment.configDirectory, keychain),
    keychain,
    environment,
    clock,
    random,
    fetch: (input, init) => {
      const signals = init?.signal ? [signal(), init.signal] : [signal()]
      return surroundings.fetch(input, { ...init, signal: anySignal(signals) })
    },
    fetchAtEnd: surroundings.fetch,
    status: { code: 0 },
    get signal() {
      return signal()
    },
    readVersion,
    close: surroundings.close ?? (() => {}),
  }
}

/** The context of this process: its environment, streams and signals. */
export function openContext(): Context {
  // With both set Node itself prints a warning; NO_COLOR wins here as everywhere.
  if (process.env['NO_COLOR']) delete process.env['FORCE_COLOR']
  const signals = openSignals()
  return createContext({
    // Who listens to signals has something to end properly, and must not be blocked.
    streams: openStandardStreams(() => !signals.isListening),
    environment: readEnvironment(process.env, process.platform, findHome(), findWorkingDirectory()),
    clock: { now: Date.now, sleep: sleepUntilAborted },
    random: Math.random,
    fetch: globalThis.fetch,
    get signal() {
      return signals.signal
    },
    close: signals.close,
  })
}

// The directory may be gone by now, which is no reason to do nothing.
function findWorkingDirectory(): string {
  try {
    return process.cwd()
  } catch {
    return findHome()
  }
}

// With HOME= Node knows none, and what is private would lie in whatever directory the command is called from. Nor does it
// where the system does not know the user, as in a container that runs as any: to them belongs no directory but the root.
function findHome(): string {
  try {
    return homedir() || userInfo().homedir
  } catch {
    return '/'
  }
}

/** Reads the variables that the command knows, for the given platform, home and working directory. */
export function readEnvironment(
  variables: Readonly<Record<string, string | undefined>>,
  platform: NodeJS.Platform,
  home: string,
  workingDirectory: string = home,
): Environment {
  const read = (...names: string[]) => names.map((name) => variables[name]).find((value) => value)
  const configHome = read('XDG_CONFIG_HOME') ?? (platform === 'win32' ? read('APPDATA') : undefined)
  const stateHome = read('XDG_STATE_HOME') ?? (platform === 'win32' ? read('LOCALAPPDATA') : undefined)
  return {
    server: read(...NAMES.server),
    clientId: read(...NAMES.clientId),
    token: read('AUTHSEC_TOKEN'),
    identityToken: read('AUTHSEC_ID_TOKEN'),
    tenantId: read(...NAMES.tenantId),
    profile: read(...NAMES.profile),
    kek: read('AUTHSEC_KEK'),
    configDirectory: read('AUTHSEC_CONFIG_DIR') ?? join(configHome ?? join(home, '.config'), 'authsec'),
    workingDirectory,
    stateDirectory: join(stateHome ?? join(home, '.local', 'state'), 'authsec', 'dev'),
    color: readColor(read),
    isAccessible: isOn(read('ACCESSIBLE')),
    variables,
    isGitHubActions: read('GITHUB_ACTIONS') === 'true',
    isDebugging: isOn(read('AUTHSEC_DEBUG')),
  }
}

function readColor(read: (name: string) => string | undefined): ColorChoice {
  if (read('NO_COLOR')) return 'never'
  const forced = read('FORCE_COLOR')
  if (forced !== undefined) return isOn(forced) ? 'always' : 'never'
  if (isOn(read('CLICOLOR_FORCE'))) return 'always'
  return read('TERM') === 'dumb' ? 'never' : 'auto'
}

function isOn(value: string | undefined): boolean {
  return value !== undefined && !['0', 'false', 'no', 'off'].includes(value.toLowerCase())
}

function readVersion(): string {
  // Two folders up both from the source and from the built command.
  return JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')).version
}

async function sleepUntilAborted(ms: number, signal: AbortSignal): Promise<void> {
  const { setTimeout: delay } = await import('node:timers/promises')
  await delay(ms, undefined, { signal }).catch(() => {
    throw signal.reason
  })
}
