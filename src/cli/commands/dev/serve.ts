import { resolve } from 'node:path'
import type { Command } from '@commander-js/extra-typings'
import { AuthsecError } from '../../../core/errors.js'
import { quote, toPrintable } from '../../../core/printable.js'
import { DEV_PROFILE } from '../../connection.js'
import type { Context } from '../../context.js'
import { parseWholeNumber } from '../../flags.js'
import { describe } from '../../help.js'
import { writePrivateFile } from '../../private-file.js'

interface ServeRequest {
  port: number
  host: string
  ciba: CibaMode
  quirks: readonly string[]
  /** Undefined: nothing is kept. */
  stateDirectory: string | undefined
  readyFile: string | undefined
  /** Who and what a new state starts with. */
  seedFile: string | undefined
  json: boolean
}

/** The server as far as this command needs it. */
interface RunningServer {
  url: string
  issuer: string
  tenantId: string
  clientId: string
  user: { id: string; email: string }
  adminToken: string
  close(): Promise<void>
}

/** Written out because the server is loaded only when it is started. */
const CIBA_MODES = ['manual', 'auto-approve', 'auto-deny'] as const
type CibaMode = (typeof CIBA_MODES)[number]

const DEFAULT_PORT = 7468
const DEFAULT_HOST = '127.0.0.1'
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/

export function addServe(parent: Command, context: Context): void {
  describe(parent.command('serve'), {
    summary: 'run an AuthSec server on this machine',
    details:
      'Runs until Ctrl-C. It comes with a tenant, people, APIs, the agent demo-agent and its delegation. Its ' +
      'profile dev is what every command uses when nothing else says otherwise. Every process on this machine ' +
      'can act as every agent.',
    examples: [
      ['authsec dev serve', 'with a state that is still there tomorrow'],
      [
        'authsec dev serve --ephemeral --port 0 --ready-file ready.json',
        'for a test: on a free port, in memory',
      ],
    ],
    exits: [0, 2, 7, 130, 143],
    seeAlso: ['authsec token mint', 'authsec audit tail'],
  })
    .option('--port <n>', 'the port; 0 picks a free one', parseWholeNumber(0, 65_535), DEFAULT_PORT)
    .option('--host <address>', 'the address to listen on; loopback only', parseHost, DEFAULT_HOST)
    .option('--state <directory>', 'where its keys and data are kept (default: a directory of yours)')
    .addOption(
      parent
        .createOption('--ephemeral', 'keep nothing, and write no profile')
        .default(false)
        .conflicts('state'),
    )
    .option('--quirks <names>', 'dangerous habits of the real server to serve too, by name', parseNames, [])
    .option(
      '--ciba <mode>',
      `who answers what programs ask people for: ${CIBA_MODES.join(', ')}`,
      parseCiba,
      'manual',
    )
    .option('--seed <file>', 'what a new state starts with, as JSON; see authsec help seed')
    .option('--ready-file <file>', 'write what a program needs to know to a file that only you can read')
    .option('--json', 'print one JSON object when it is ready', false)
    .action(async ({ port, host, state, ephemeral, quirks, ciba, seed, readyFile, json }) => {
      const stateDirectory = ephemeral ? undefined : resolve(state ?? context.environment.stateDirectory)
      await serve(context, { port, host, stateDirectory, quirks, ciba, seedFile: seed, readyFile, json })
    })
}

async function serve(context: Context, request: ServeRequest): Promise<void> {
  const { io, signal } = context
  const { port, host, stateDirectory, seedFile } = request
  const { parseSeed, startServer } = await import('../../../server/index.js')
  const server = await startServer({
    port,
    host,
    state: stateDirectory ?? ':memory:',
    quirks: request.quirks,
    ciba: request.ciba,
    ...(seedFile !== undefined && { seed: parseSeed(await readSeedFile(seedFile)) }),
    // The caller is told nothing but a request id: whoever runs the server has to hear of it here.
    onSurprise: (error, { source, requestId }) =>
      io.warn(`${source} failed, request ${requestId}: ${toPrintable(describeSurprise(error))}`),
  })
  try {
    await announce(context, server, request)
    await untilAborted(signal)
    io.note('stopping')
  } finally {
    // Whatever happens to the files, the port and the state are given back.
    await withdraw(context, server, request).finally(() => server.close())
  }
  throw signal.reason
}

function describeSurprise(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}

/** What the ready line and the ready file say; the file, which only its owner can read, the session too. */
function describeServer(server: RunningServer): Record<string, unknown> {
  const { url, issuer, tenantId, clientId, user } = server
  return { url, pid: process.pid, tenant_id: tenantId, client_id: clientId, user, issuer }
}

async function announce(context: Context, server: RunningServer, request: ServeRequest): Promise<void> {
  const { io, config, credentials } = context
  const { url, tenantId, clientId, adminToken } = server
  if (request.stateDirectory !== undefined) {
    await credentials.write(DEV_PROFILE, { access_token: adminToken, server_url: url })
    await config.writeProfile(DEV_PROFILE, { server_url: url, tenant_id: tenantId, client_id: clientId })
  }
  if (request.readyFile !== undefined) {
    const content = { ...describeServer(server), admin_token: adminToken }
    await writePrivateFile(request.readyFile, `${JSON.stringify(content)}\n`)
  }
  if (request.json) io.jsonLine(describeServer(server))
  printBanner(context, server, request)
}

function printBanner({ io }: Context, server: RunningServer, { stateDirectory, quirks }: ServeRequest): void {
  const lines = [
    `AuthSec dev server at ${server.url}`,
    stateDirectory === undefined ? 'nothing is kept when it stops' : `state in ${stateDirectory}`,
    'every process on this machine can act as every agent',
    '',
    `  export AUTHSEC_SERVER=${server.url}`,
    `  export AUTHSEC_TENANT=${server.tenantId}`,
    `  export AUTHSEC_CLIENT_ID=${server.clientId}`,
    '',
    'try: authsec token mint --audience https://billing.example --permission billing:read',
    'stop with Ctrl-C',
  ]
  for (const line of lines) io.note(line)
  if (quirks.length > 0) io.warn(`dangerous habits of the real server are served: ${quirks.join(', ')}`)
}

// Another server may have been started since: only what is still ours is taken back.
async function withdraw(context: Context, server: RunningServer, request: ServeRequest): Promise<void> {
  const { config, credentials } = context
  if (request.stateDirectory !== undefined) {
    await config.removeProfile(DEV_PROFILE, server.url)
    await credentials.remove(DEV_PROFILE, server.adminToken)
  }
  if (request.readyFile !== undefined) await removeReadyFile(request.readyFile, server.adminToken)
}

async function readSeedFile(path: string): Promise<string> {
  const { readFile } = await import('node:fs/promises')
  return readFile(path, 'utf8').catch((cause) => {
    throw new AuthsecError('usage', `the seed ${quote(path)} cannot be read (${cause.code})`, { cause })
  })
}

async function removeReadyFile(path: string, adminToken: string): Promise<void> {
  const { readFile, rm } = await import('node:fs/promises')
  const text = await readFile(path, 'utf8').catch(() => '')
  if (text.includes(adminToken)) await rm(path, { force: true })
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolveWait) => {
    if (signal.aborted) resolveWait()
    else signal.addEventListener('abort', () => resolveWait(), { once: true })
  })
}

// The server knows which there are; it is not loaded before it is started.
function parseNames(text: string): string[] {
  return text.split(',').map((name) => name.trim())
}

function parseCiba(name: string): CibaMode {
  const mode = CIBA_MODES.find((known) => known === name)
  if (mode !== undefined) return mode
  throw new AuthsecError('usage', `${quote(name)} is not one of ${CIBA_MODES.join(', ')}`)
}

function parseHost(host: string): string {
  if (LOOPBACK.test(host)) return host
  throw new AuthsecError('usage', `${quote(host)} is not an address of this machine alone`, {
    hint: 'A dev server trusts everyone who reaches it: use 127.0.0.1, localhost or [::1].',
  })
}
