import type { RunningServer } from '../server/start.js'
import type { Profile } from './config.js'
import type { Context } from './context.js'
import { readKek } from './kek.js'
import { describeNewLog } from './log-contact.js'
import { readSeedFile, readServingOptions, runUntilStopped } from './server-run.js'
import type { ServeFlags } from './serving-flags.js'
import { DEV_PROFILE } from './settings.js'
import { isInDatabase, readPlace } from './state-place.js'

const EPHEMERAL = ':memory:'
/** How long another server on this machine has to answer whether it is still there. */
const ALIVE_MS = 1_000

/**
 * Serves one developer on one machine until it is asked to stop, whose reason it throws. While it runs, the profile
 * `dev` is this server, unless nothing of it is kept.
 */
export async function serveDeveloper(context: Context, flags: ServeFlags): Promise<never> {
  const place = await readDevPlace(context, flags)
  // Only of a directory is anything written down: one server has it, and for a while.
  const state = place.state === EPHEMERAL ? undefined : place.state
  const { parseSeed, startServer } = await import('../server/index.js')
  const server = await startServer({
    ...readServingOptions(context, flags),
    ...place,
    quirks: flags.quirks,
    ...(await readKeySource(flags)),
    ...(flags.ciba !== undefined && { ciba: flags.ciba }),
    ...(flags.seed !== undefined && { seed: parseSeed(await readSeedFile(flags.seed)) }),
  })
  const { config, credentials, io } = context
  const { url, tenantId, clientId, adminToken } = server
  const facts = describeServer(server)
  let former: FormerServer | undefined
  return runUntilStopped(context, server, {
    async announce() {
      if (state !== undefined) {
        former = await findFormer(context, url)
        await credentials.write(DEV_PROFILE, { access_token: adminToken, server_url: url }, 'file')
        await pinLog(context, server)
        await config.writeProfile(DEV_PROFILE, { server_url: url, tenant_id: tenantId, client_id: clientId })
      }
      if (flags.json) io.jsonLine(facts)
      printBanner(context, server, state ?? flags.store ?? flags.storeFile, flags)
    },
    async withdraw() {
      if (state === undefined) return
      // Another server may have been started since: only what is still ours is taken back.
      const isOurs = (await config.read()).profiles[DEV_PROFILE]?.server_url === url
      await config.removeProfile(DEV_PROFILE, url)
      await credentials.remove(DEV_PROFILE, adminToken)
      if (isOurs && former !== undefined && (await isUp(context, former.profile)))
        await restore(context, former)
    },
    ready: { file: flags.readyFile, content: { ...facts, admin_token: adminToken } },
  })
}

/** Another server that the profile `dev` was when this one started. */
interface FormerServer {
  profile: Profile
  session: string | undefined
}

/**
 * What this server takes the profile from, for as long as it runs; nothing where that server is gone, or is this one
 * before it was killed.
 */
async function findFormer(context: Context, url: string): Promise<FormerServer | undefined> {
  const { config, credentials, io } = context
  const profile = (await config.read()).profiles[DEV_PROFILE]
  if (profile === undefined || profile.server_url === url || !(await isUp(context, profile))) return undefined
  io.warn(`profile ${DEV_PROFILE} was ${profile.server_url}, and is this server until it stops`)
  return { profile, session: await credentials.open(DEV_PROFILE).catch(() => undefined) }
}

async function restore({ config, credentials }: Context, { profile, session }: FormerServer): Promise<void> {
  if (session !== undefined) {
    const kept = { access_token: session, server_url: profile.server_url }
    await credentials.write(DEV_PROFILE, kept, 'file')
  }
  await config.writeProfile(DEV_PROFILE, profile)
}

async function isUp({ fetchAtEnd }: Context, { server_url }: Profile): Promise<boolean> {
  const signal = AbortSignal.timeout(ALIVE_MS)
  const reply = await fetchAtEnd(`${server_url}/healthz`, { redirect: 'manual', signal }).catch(
    () => undefined,
  )
  await reply?.body?.cancel()
  return reply?.ok === true
}

/**
 * Who starts a server knows which key signs its log from no stranger: audit verify believes it from then on. That it is
 * another log than there was before is said here, because whoever asks the server next finds it known.
 */
async function pinLog(context: Context, { url, verifierKey }: RunningServer): Promise<void> {
  const { io, knownLogs, clock } = context
  const [origin = ''] = verifierKey.split('+')
  const known = await knownLogs.find(origin)
  const change = await describeNewLog(context, url, known)
  if (change !== undefined) io.warn(change)
  const seen_at = new Date(clock.now()).toISOString()
  await knownLogs.keep(origin, {
    ...known,
    server_url: url,
    verifier_key: verifierKey,
    source: 'start',
    seen_at,
  })
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
  return readPlace({
    ...flags,
    state: ephemeral ? EPHEMERAL : (flags.state ?? context.environment.stateDirectory),
  })
}

/** What the ready line and the ready file say; the file, which only its owner can read, the session too. */
function describeServer(server: RunningServer): Record<string, unknown> {
  const { url, issuer, tenantId, clientId, user } = server
  return { url, pid: process.pid, tenant_id: tenantId, client_id: clientId, user, issuer }
}

function printBanner(
  { io, knownLogs }: Context,
  server: RunningServer,
  state: string | undefined,
  { quirks, ciba, allowHost, cors }: ServeFlags,
): void {
  const lines = [
    `AuthSec dev server at ${server.url}`,
    state === undefined ? 'nothing is kept when it stops' : `state in ${state}`,
    `audit log signed by ${server.verifierKey}${state === undefined ? '' : `, pinned in ${knownLogs.path}`}`,
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
  if (ciba === 'auto-approve')
    io.warn('whatever a program asks a person for is approved by the server itself')
  const strangers = [...allowHost, ...cors]
  if (strangers.length > 0) io.warn(`reachable beyond this machine, by name: ${strangers.join(', ')}`)
}
