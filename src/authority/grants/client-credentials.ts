import { CALL_TOKEN_TYPE, type ClientClaims, GRANT_TYPE_CLIENT_CREDENTIALS } from '../../core/claims.js'
import { callLifetime } from '../../core/delegation.js'
import { AuthsecError } from '../../core/errors.js'
import {
  assertNarrower,
  formatScope,
  intersectPermissions,
  type Permissions,
  parseScope,
  sortPermissions,
} from '../../core/permission.js'
import { quote } from '../../core/printable.js'
import type { ClientStanding } from '../../store/store.js'
import { signToken } from '../signer.js'
import { createTimeOrderedId } from '../time-ordered-id.js'
import type { Grant, GrantContext } from './grant.js'
import { readResource, readScope, readTtl } from './request-fields.js'

/**
 * Client credentials, RFC 6749 §4.4: a token for one resource that a client holds for itself, within what it has
 * registered for. It says nothing of any user and descends from no delegation.
 */
export const clientCredentials: Grant = {
  grantType: GRANT_TYPE_CLIENT_CREDENTIALS,

  issue(form, context) {
    const { audit, store, clock, presenter, provenance } = context
    const { clientId } = presenter
    const actor = { type: 'client', id: clientId } as const
    const draft = { type: 'token.issued', actor, client: clientId } as const
    return audit.attempt(draft, provenance, async (attempt) => {
      const resource = readResource(form)
      attempt.note({ aud: [resource] })
      const asked = readScope(form)
      if (asked) attempt.note({ permissions: { asked: sortPermissions(asked) } })

      const now = clock()
      const found = await store.clients.findStanding(clientId, resource)
      await presenter.prove(found?.client)
      const { standing, permissions } = decideClientStanding(found, { resource, permissions: asked })
      const issuedAt = Math.floor(now / 1000)
      const lifetime = callLifetime(readTtl(form), Number.POSITIVE_INFINITY, issuedAt, context.maxCallTtl)

      const issuance = {
        jti: createTimeOrderedId(now),
        txn: createTimeOrderedId(now),
        auditId: attempt.eventId,
        permissions,
        issuedAt,
        lifetime,
      }
      const claims = createClaims(standing, issuance, context)
      const key = context.callKey(standing.resource?.signingAlg ?? 'ES256')
      const signed = await signToken(key, { typ: CALL_TOKEN_TYPE, kid: key.kid }, claims)
      await attempt.commit(async (transaction) => {
        if ((await transaction.delegations.revision()) !== standing.revision) {
          // Something changed since it was decided: what has been signed must still be allowed.
          const current = await transaction.clients.findStanding(clientId, resource)
          decideClientStanding(current, { resource, permissions })
        }
        await context.assertSigning(key, transaction)
        attempt.note({
          jti: claims.jti,
          permissions: { granted: claims.permissions },
          details: { expires_in: lifetime },
          token_hash: signed.tokenHash,
          kid: key.kid,
          txn: claims.txn,
        })
      })
      return {
        access_token: signed.token,
        token_type: 'Bearer',
        expires_in: lifetime,
        scope: claims.scope,
        authsec_audit: attempt.eventId,
      }
    })
  },
}

/**
 * What a client may have for itself now: what it has registered for, as far as the resource's tokens may carry it.
 * Throws `invalid_client`, `invalid_target` and `invalid_scope`.
 */
export function decideClientStanding(
  standing: ClientStanding | undefined,
  { resource: uri, permissions }: { resource: string; permissions: Permissions | undefined },
): { standing: ClientStanding; permissions: Permissions } {
  if (!standing?.client.active) throw new AuthsecError('invalid_client', 'the client is not active')
  const { client, resource } = standing
  if (resource === undefined) throw new AuthsecError('invalid_target', `${quote(uri, 200)} is not registered`)
  const held = intersectPermissions(parseScope(client.scope ?? ''), new Set(resource.permissions))
  const asked = permissions ?? held
  assertNarrower(asked, held)
  if (asked.size > 0) return { standing, permissions: asked }
  throw new AuthsecError('invalid_scope', `the client has registered no permission of ${quote(uri, 200)}`, {
    hint: 'Register the client with a scope; what a user delegates is had by token exchange.',
  })
}

function createClaims(
  { client, resource }: ClientStanding,
  issuance: {
    jti: string
    txn: string
    auditId: string
    permissions: Permissions
    issuedAt: number
    lifetime: number
  },
  { issuer, tenantId }: GrantContext,
): ClientClaims {
  const { jti, txn, auditId, issuedAt, lifetime } = issuance
  const permissions = sortPermissions(issuance.permissions)
  return {
    iss: issuer,
    sub: client.spiffeId ?? client.id,
    aud: resource?.uri ?? '',
    exp: issuedAt + lifetime,
    iat: issuedAt,
    nbf: issuedAt,
    jti,
    client_id: client.id,
    tenant_id: tenantId,
    scope: formatScope(permissions),
    permissions,
    authsec_grant: 'client',
    authsec_audit: auditId,
    txn,
  }
}
