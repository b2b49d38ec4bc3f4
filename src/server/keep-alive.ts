import { SERVER_ITSELF } from '../authority/audit/log.js'
import type { Authority } from '../authority/authority.js'
import type { SeededDelegation } from '../authority/seed-planting.js'
import type { Delegation } from '../store/store.js'

/** Below this much life a seeded delegation is granted anew, so that the demo agent always works. */
const REGRANT_MS = 3_600_000

/**
 * Grants what the seed delegates where it is about to end. What somebody has revoked, or granted in its place, stays so
 * until the next start. Throws what `grant` throws.
 */
export async function keepAlive(
  { audit, delegations, clock }: Pick<Authority, 'audit' | 'delegations' | 'clock'>,
  { clientId, agentType, user, audience, ttlSeconds }: SeededDelegation,
  when: 'start' | 'run',
): Promise<void> {
  const current = await delegations.findActive(clientId)
  const margin = Math.min(REGRANT_MS, ttlSeconds * 500)
  if (current !== undefined && current.expiresAt >= clock() + margin) return
  if (when === 'run' && (current?.userId !== user.id || !(await isOwn(audit, current)))) return
  await delegations.grant({ clientId, agentType, audience, ttlSeconds }, user, SERVER_ITSELF)
}

// A record that has been pruned says nothing against it.
async function isOwn(audit: Authority['audit'], { jti }: Delegation): Promise<boolean> {
  const [granted] = await audit.search({
    filter: [
      { field: 'jti', operator: '=', value: jti },
      { field: 'type', operator: '=', value: 'delegation.granted' },
    ],
    limit: 1,
  })
  return granted === undefined || granted.event.source === SERVER_ITSELF.source
}
