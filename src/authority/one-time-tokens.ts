import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { Store } from '../store/store.js'
import type { AuditLog, Provenance } from './audit/log.js'
import type { CallTokens } from './call-tokens.js'
import { type ClientAuthentication, readPresentedClient } from './client-authentication.js'
import { decideLiveness, readLiveness } from './liveness.js'
import { readCallToken } from './presented-tokens.js'
import type { TokenRequest } from './tokens.js'

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
   * `invalid_request` for a token that is none of ours or not one-time, `invalid_grant` for one that is dead, and
   * `replayed` for one that has been used.
   */
  consume(request: TokenRequest, provenance: Provenance): Promise<ConsumedToken>
}

/** How long after its expiry a verifier with a slow clock might still ask, in milliseconds (design 4 §5). */
const MEMORY_MS = 35_000

export function createOneTimeTokens(options: {
  store: Store
  audit: AuditLog
  clock: () => number
  callTokens: CallTokens
  clientAuthentication: ClientAuthentication
}): OneTimeTokens {
  const { audit, store, clock, callTokens, clientAuthentication } = options
  return {
    consume({ form, authorization }, provenance) {
      return audit.attempt({ type: 'token.used' }, provenance, async (attempt) => {
        const presenter = clientAuthentication.present(readPresentedClient(form, authorization))
        const { clientId } = presenter
        attempt.note({ actor: { type: 'client', id: clientId }, client: clientId })
        await clientAuthentication.find(presenter)

        const text = form.get('token')
        if (text === undefined) throw new AuthsecError('invalid_request', 'token is missing')
        const now = clock()
        const claims = callTokens.verify(text, 'presented')
        const token = readCallToken(claims)
        attempt.note({
          subject: { type: 'user', id: claims.sub },
          act: claims.act,
          jti: claims.jti,
          parent_jti: claims.parent_jti,
          delegation: claims.authsec_delegation,
          aud: [claims.aud],
          txn: claims.txn,
          ...(claims.tool !== undefined && { details: { tool: claims.tool } }),
        })
        // Before anything else is said of a token: whose it is to use.
        await assertOwner(store, claims.aud, clientId)
        if (!token.terms.oneTime)
          throw new AuthsecError('invalid_request', 'the token is not a one-time token')

        await attempt.commit(async (transaction) => {
          await assertOwner(transaction, claims.aud, clientId)
          decideLiveness(await readLiveness(transaction, token, claims.aud), token, 'presented', now)
          const use = { jti: claims.jti, expiresAt: claims.exp * 1000 + MEMORY_MS, now }
          if (!(await transaction.uses.insert(use))) {
            throw new AuthsecError('replayed', 'the token has been used before')
          }
        })
        return { jti: claims.jti, expiresAt: claims.exp, auditId: attempt.eventId }
      })
    },
  }
}

async function assertOwner(
  { resources }: Pick<Store, 'resources'>,
  audience: string,
  clientId: string,
): Promise<void> {
  const resource = await resources.find(audience)
  if (resource?.clientId === clientId) return
  throw new AuthsecError('access_denied', `${quote(audience, 200)} is not run by this client`, {
    hint: 'A one-time token is used up by the client that is registered as the owner of its resource.',
  })
}
