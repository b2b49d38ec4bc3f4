import type { RunningServer } from '../server/start.js'
import type { Profile } from './config.js'
import type { Context } from './context.js'
import type { StoredSession } from './credentials.js'
import { DEV_PROFILE } from './settings.js'

/** How long another server has to answer whether it is still there. */
const ALIVE_MS = 1_000

/** Another server that the profile `dev` was when this one started. */
interface FormerServer {
  profile: Profile
  session: { secret: string; stored: StoredSession } | undefined
}

/**
 * Makes the profile `dev` this server. What is returned takes that back: the profile is then the server again that it
 * was before, if that still answers, and otherwise nobody.
 */
export async function takeDevProfile(
  context: Context,
  { url, tenantId, clientId, adminToken }: RunningServer,
): Promise<() => Promise<void>> {
  const { config, credentials } = context
  const former = await findFormer(context, url)
  try {
    await credentials.write(DEV_PROFILE, { access_token: adminToken, server_url: url }, 'file')
    await config.writeProfile(DEV_PROFILE, { server_url: url, tenant_id: tenantId, client_id: clientId })
  } catch (error) {
    await credentials.remove(DEV_PROFILE, adminToken)
    if (former !== undefined) await restore(context, former)
    throw error
  }

  return async () => {
    // Another server may have been started since: only what is still ours is taken back.
    const isOurs = (await config.read()).profiles[DEV_PROFILE]?.server_url === url
    await credentials.remove(DEV_PROFILE, adminToken)
    if (isOurs && former !== undefined && (await isUp(context, former.profile)))
      await restore(context, former)
    else await config.removeProfile(DEV_PROFILE, url)
  }
}

/** What the profile is taken from; nothing where that server is gone, or is this one before it was killed. */
async function findFormer(context: Context, ownUrl: string): Promise<FormerServer | undefined> {
  const { config, credentials, io } = context
  const profile = (await config.read()).profiles[DEV_PROFILE]
  if (profile === undefined || profile.server_url === ownUrl || !(await isUp(context, profile)))
    return undefined
  io.warn(`profile ${DEV_PROFILE} was ${profile.server_url}, and is this server until it stops`)
  const stored = (await credentials.list())[DEV_PROFILE]
  const secret = stored && (await credentials.open(DEV_PROFILE).catch(() => undefined))
  return { profile, session: stored && secret !== undefined ? { secret, stored } : undefined }
}

async function restore({ config, credentials }: Context, { profile, session }: FormerServer): Promise<void> {
  if (session !== undefined) {
    const { place, ...facts } = session.stored
    await credentials.write(DEV_PROFILE, { ...facts, access_token: session.secret }, place)
  }
  await config.writeProfile(DEV_PROFILE, profile)
}

async function isUp({ fetchAtEnd }: Context, { server_url }: Profile): Promise<boolean> {
  const signal = AbortSignal.timeout(ALIVE_MS)
  const asked = fetchAtEnd(`${server_url}/healthz`, { redirect: 'manual', signal })
  const reply = await asked.catch(() => undefined)
  await reply?.body?.cancel()
  return reply?.ok === true
}
