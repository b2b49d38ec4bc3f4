import { AuthsecError } from '../core/errors.js'
import type { Context } from './context.js'
import { readKek } from './kek.js'
import { readServingOptions, runUntilStopped } from './server-run.js'
import type { ServeFlags } from './serving-flags.js'
import { readPlace } from './state-place.js'

/** With --mode shared. */
export interface TeamServerOutput {
  /** Where it listens: a proxy in front of it passes on what comes to the issuer. */
  url: string
  /** Of its process. */
  pid: number
  tenant_id: string
  /** The https URL by which everybody knows it. */
  issuer: string
}

/**
 * Serves a team until it is asked to stop, whose reason it throws. It leaves no profile and no session anywhere:
 * whoever uses it logs in.
 */
export async function serveTeam(context: Context, flags: ServeFlags): Promise<never> {
  const { io } = context
  const { issuer, auditHighWater } = flags
  if (issuer === undefined) throw new AuthsecError('usage', '--mode shared needs --issuer')
  if (auditHighWater === undefined) throw new AuthsecError('usage', '--mode shared needs --audit-high-water')
  const place = await readPlace(flags)
  const kek = await readKek(context, flags.kekFile)
  const { startSharedServer } = await import('../server/index.js')
  const options = await readServingOptions(context, flags)
  const server = await startSharedServer({ ...options, ...place, issuer, kek, auditHighWater })
  const facts = { url: server.url, pid: process.pid, tenant_id: server.tenantId, issuer: server.issuer }
  return runUntilStopped(context, server, {
    async announce() {
      if (flags.json) io.jsonLine<TeamServerOutput>(facts)
      const lines = [
        `AuthSec server of ${server.issuer}`,
        `listens at ${server.url}: let a proxy with TLS pass on what comes to the issuer`,
        `state in ${server.place}`,
        `audit log signed by ${server.verifierKey}`,
        `log in with: authsec login --server ${server.issuer}`,
        'stop with Ctrl-C',
      ]
      for (const line of lines) io.note(line)
      if (flags.rateLimits === 'off') io.warn('nothing limits how often passwords and codes are tried')
    },
    ready: { file: flags.readyFile, content: facts },
  })
}
