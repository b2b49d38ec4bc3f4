import { type Checkpoint, parseCheckpoint } from '../core/checkpoint.js'
import type { RunningServer } from '../server/start.js'
import type { Context } from './context.js'
import { takeDevProfile } from './dev-profile.js'
import { findKek, readKek } from './kek.js'
import { openKnownLogs } from './known-logs.js'
import { describeNewLog } from './log-contact.js'
import { readSeed } from './seed-input.js'
import { readServingOptions, runUntilStopped } from './server-run.js'
import type { ServeFlags } from './serving-flags.js'
import { isInDatabase, readPlace } from './state-place.js'

/** With --mode dev. */
export interface DevServerOutput {
  /** Where it listens. */
  url: string
  /** Of its process. */
  pid: number
  tenant_id: string
  /** The UUID of the seeded agent. */
  client_id: string
  /** Who delegated to it. */
  user: RunningServer['user']
  /** The issuer of its call tokens: where it listened when the state was new. */
  issuer: string
}

const EPHEMERAL = ':memory:'

/**
 * Serves one developer on one machine until it is asked to stop, whose reason it throws. While it runs, the profile
 * `dev` is this server, unless nothing of it is kept.
 */
export async function serveDeveloper(context: Context, flags: ServeFlags): Promise<never> {
  const place = await readDevPlace(context, flags)
  // Only of a directory is anything written down: one server has it, and for a while.
  const state = place.state === EPHEMERAL ? undefined : place.state
  const { startServer } = await import('../server/index.js')
  const server = await startServer({
    ...(await readServingOptions(context, flags)),
    ...place,
    quirks: flags.quirks,
    ...(await readKeySource(flags)),
    ...(flags.ciba !== undefined && { ciba: flags.ciba }),
    ...(flags.seed !== undefined && {
      seed: await readSeed(flags.seed, { delegation: true }),
    }),
  })
  const facts = describeServer(server)
  let giveBackProfile = async () => {}
  return runUntilStopped(context, server, {
    async announce() {
      if (state !== undefined) {
        giveBackProfile = await takeDevProfile(context, server)
        await pinLog(context, server)
      }
      if (flags.json) context.io.jsonLine<DevServerOutput>(facts)
      printBanner(context, server, state ?? flags.store ?? flags.storeFile, flags)
    },
    async withdraw() {
      await giveBackProfile()
      if (state !== undefined) await keepHead(context, server)
    },
    ready: { file: flags.readyFile, content: { ...facts, admin_token: server.adminToken } },
  })
}

/**
 * Who starts a server knows which key signs its log from no stranger: audit verify believes it from then on. That it is
 * another log than there was before is said here, and once more to whoever asks the server next.
 */
async function pinLog(context: Context, server: RunningServer): Promise<void> {
  const { io } = context
  const { url, verifierKey } = server
  const [origin = ''] = verifierKey.split('+')
  const change = describeNewLog(await openKnownLogs(context).read(), url, origin)
  if (change !== undefined) io.warn(change)
  await keepHead(context, server)
}

/** An older copy of the whole state directory is found out by what is kept outside of it, and by nothing else. */
async function keepHead(context: Context, { verifierKey, signHead }: RunningServer): Promise<void> {
  const head = parseCheckpoint(await signHead())
  await openKnownLogs(context).update(head.origin, (current) => ({
    servers: {},
    ...current,
    verifier_key: verifierKey,
    source: 'start',
    checkpoint: chooseNewer(head, current?.checkpoint),
  }))
}

// Another command may have seen more meanwhile.
function chooseNewer(head: Checkpoint, known: string | undefined): string {
  return known !== undefined && parseCheckpoint(known).size > head.size ? known : head.note
}

async function readKeySource({ keys }: ServeFlags) {
  if (typeof keys !== 'object') return keys && { keys }
  const { readKeyFile } = await import('./key-input.js')
  return { keys: { import: await readKeyFile(keys.file) } }
}

async function readDevPlace(context: Context, flags: ServeFlags) {
  const { allowDevPostgres, ephemeral, kekFile } = flags
  if (isInDatabase(flags)) {
    return { ...(await readPlace(flags)), allowDevPostgres, kek: await readKek(context, kekFile) }
  }
  const state = ephemeral ? EPHEMERAL : (flags.state ?? context.environment.stateDirectory)
  const kek = await findKek(context, kekFile)
  return { ...(await readPlace({ ...flags, state })), ...(kek && { kek }) }
}

/** What the ready line and the ready file say; the file, which only its owner can read, the session too. */
function describeServer(server: RunningServer): DevServerOutput {
  const { url, issuer, tenantId, clientId, user } = server
  return { url, pid: process.pid, tenant_id: tenantId, client_id: clientId, user, issuer }
}

function printBanner(
  context: Context,
  server: RunningServer,
  state: string | undefined,
  { quirks, ciba, allowHost, cors }: ServeFlags,
): void {
  const { io } = context
  const lines = [
    `AuthSec dev server at ${server.url}`,
    state === undefined ? 'nothing is kept when it stops' : `state in ${state}`,
    `audit log signed by ${server.verifierKey}${state === undefined ? '' : `, pinned in ${openKnownLogs(context).path}`}`,
    'every process on this machine can act as every agent',
    '',
    `  ${formatAssignment('AUTHSEC_SERVER', server.url, process.platform)}`,
    `  ${formatAssignment('AUTHSEC_TENANT', server.tenantId, process.platform)}`,
    `  ${formatAssignment('AUTHSEC_CLIENT_ID', server.clientId, process.platform)}`,
    '',
    'try: authsec token mint --audience https://billing.example --permission billing:read',
    'stop with Ctrl-C',
  ]
  for (const line of lines) io.note(line)
  if (quirks.length > 0) io.warn(`dangerous habits of the real server are served: ${quirks.join(', ')}`)
  if (ciba === 'auto-approve')
    io.warn('whatever a program asks a person for is approved by the server itself')
  const strangers = [...allowHost, ...cors]
  if (strangers.length > 0) io.warn(`reachable beyond this machine, by name: ${strangers.join(', ')}`)
}

/** How a variable is set in the shell that people have: PowerShell on Windows. */
export function formatAssignment(name: string, value: string, platform: string): string {
  return platform === 'win32' ? `$env:${name} = '${value}'` : `export ${name}=${value}`
}
