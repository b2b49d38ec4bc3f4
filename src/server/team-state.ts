import { AuthsecError } from '../core/errors.js'
import type { StatePlace } from './state.js'

/** Whether a state is that of a team: the issuer of a developer's is the http address where its server listens. */
export function isOfTeam(issuer: string): boolean {
  return issuer.startsWith('https:')
}

/**
 * Refuses to work on the state of a team without the mark of its servers, which lies apart from it: where none is looked
 * at, an older copy is taken for the whole. Throws `usage`.
 */
export function assertMarkNamed({ auditHighWater }: StatePlace, issuer: string): void {
  if (auditHighWater !== undefined || !isOfTeam(issuer)) return
  throw new AuthsecError('usage', 'no high-water mark is named, and this is the state of a team', {
    hint: 'Name the file of its servers with --audit-high-water; where it is lost, a new one.',
  })
}
