import type { AuditLog, Provenance } from './audit/log.js'
import type { ClientRequest } from './presented-client.js'
import { type PresentedUseOptions, presentUse } from './presented-uses.js'

/** What an API tells of the tokens that it has accepted: nothing depends on it but the log. */
export interface UseReceipts {
  /**
   * Records that a call token was accepted by the client that runs its API; says in which event. Throws
   * `invalid_client`, `access_denied` for any other client, and `invalid_request` or `invalid_grant` for a token that
   * is none of ours or has expired.
   */
  receive(request: ClientRequest, provenance: Provenance): Promise<string>
}

export function createUseReceipts(options: PresentedUseOptions & { audit: AuditLog }): UseReceipts {
  return {
    receive: (request, provenance) =>
      options.audit.attempt({ type: 'token.used' }, provenance, async (attempt) => {
        await presentUse(request, attempt, provenance, options)
        attempt.note({ details: { receipt: true } })
        await attempt.commit()
        return attempt.eventId
      }),
  }
}
