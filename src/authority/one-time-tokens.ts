import { AuthsecError } from '../core/errors.js'
import type { AuditLog, Provenance } from './audit/log.js'
import { decideLiveness, readLiveness } from './liveness.js'
import type { ClientRequest } from './presented-client.js'
import { readCallToken } from './presented-tokens.js'
import { assertOwner, type PresentedUseOptions, presentUse } from './presented-uses.js'

/** A one-time token that has just been used, and never will be again. */
export interface ConsumedToken {
  jti: string
  /** Seconds since the epoch. */
  expiresAt: number
  /** The audit event that recorded the use. */
  auditId: string
}

export interface OneTimeTokens {
  /**
   * Uses up a one-time token for the client that runs its API: of any number of calls at once exactly one succeeds,
   * and only while the token is alive. Throws `invalid_client`, `access_denied` for any other client,
   * `invalid_request` for a token that is none of ours or not one-time, `invalid_grant` for one that is dead,
   * `replayed` for one that has been used, and `temporarily_unavailable` while the clock is set back.
   */
  consume(request: ClientRequest, provenance: Provenance): Promise<ConsumedToken>
}

/** How long after its expiry a verifier with a slow clock might still ask, in milliseconds (design 4 §5). */
const MEMORY_MS = 35_000

export function createOneTimeTokens(
  options: PresentedUseOptions & {
    audit: AuditLog
    clock: () => number
    /** Throws while the clock is behind: a token that had expired would live again, its use forgotten. */
    assertClock: () => void
  },
): OneTimeTokens {
  const { audit, clock, assertClock } = options
  return {
    consume(request, provenance) {
      return audit.attempt({ type: 'token.used' }, provenance, async (attempt) => {
        const { claims, clientId } = await presentUse(request, attempt, provenance, options)
        assertClock()
        const now = clock()
        const token = readCallToken(claims)
        if (!token.terms.oneTime)
          throw new AuthsecError('invalid_request', 'the token is not a one-time token')

        await attempt.commit(async (transaction) => {
          await assertOwner(transaction, claims.aud, clientId)
          decideLiveness(await readLiveness(transaction, token, claims.aud), token, 'presented', now)
          const use = { jti: claims.jti, expiresAt: claims.exp * 1000 + MEMORY_MS }
          if (!(await transaction.uses.insert(use))) {
            throw new AuthsecError('replayed', 'the token has been used before')
          }
        })
        return { jti: claims.jti, expiresAt: claims.exp, auditId: attempt.eventId }
      })
    },
  }
}
