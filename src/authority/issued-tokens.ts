import type { ClientClaims } from '../core/claims.js'
import { AuthsecError } from '../core/errors.js'
import { parseJwt } from '../core/jwt.js'
import { intersectPermissions } from '../core/permission.js'
import { delegablePermissions } from '../core/policy.js'
import type { JsonObject } from '../core/strict-json.js'
import type { Queries } from '../store/store.js'
import type { BaseTokens } from './base-tokens.js'
import type { CallTokens } from './call-tokens.js'
import { decideClientStanding } from './grants/client-credentials.js'
import { decideLiveness, readLiveness } from './liveness.js'
import { type PresentedToken, readBaseToken, readCallToken } from './presented-tokens.js'
import type { Session, Sessions } from './sessions.js'
import { decideStanding } from './standing.js'

/** A token of this server, whatever its kind, that is what it says and has not expired. */
export interface IssuedToken {
  jti: string
  /** The client it was issued to. */
  clientId: string | undefined
  userId: string | undefined
  /** Seconds since the epoch. */
  expiresAt: number
  origin:
    | { kind: 'base' | 'call'; presented: PresentedToken; claims: JsonObject }
    | { kind: 'client'; claims: ClientClaims }
    | { kind: 'session'; session: Session }
}

/** What a live token is worth now. */
export interface TokenWorth {
  /** Who runs the API it is for; undefined where nobody is named. */
  ownerId: string | undefined
  permissions: ReadonlySet<string>
}

export interface IssuedTokens {
  /** Recognises a token by its signature; undefined for what is none of this server's, or has expired. */
  recognize(token: string): Promise<IssuedToken | undefined>
  /**
   * What a token is worth now, asked again of everything it rests on: undefined when it, its parent, its user or its
   * client no longer stands, or it carries more than it would be given now.
   */
  appraise(token: IssuedToken, queries: Queries): Promise<TokenWorth | undefined>
}

export function createIssuedTokens(options: {
  baseTokens: BaseTokens
  callTokens: CallTokens
  sessions: Sessions
  clock: () => number
}): IssuedTokens {
  const { baseTokens, callTokens, sessions, clock } = options

  const readers: readonly ((token: string) => IssuedToken | Promise<IssuedToken>)[] = [
    (token) => fromPresented('call', readCallToken(callTokens.verify(token)), token),
    (token) => fromClient(callTokens.verifyOwn(token)),
    (token) => fromPresented('base', readBaseToken(baseTokens.verify(token)), token),
    async (token) => fromSession(await sessions.resume(token)),
  ]

  return {
    async recognize(token) {
      for (const read of readers) {
        try {
          return await read(token)
        } catch (error) {
          // None of this kind: perhaps of the next.
          if (!AuthsecError.is(error) || AuthsecError.is(error, 'temporarily_unavailable')) throw error
        }
      }
      return undefined
    },

    async appraise(token, queries) {
      try {
        return await appraise(token, queries, clock())
      } catch (error) {
        if (!AuthsecError.is(error) || AuthsecError.is(error, 'temporarily_unavailable')) throw error
        return undefined
      }
    },
  }
}

async function appraise(
  { origin }: IssuedToken,
  queries: Queries,
  now: number,
): Promise<TokenWorth | undefined> {
  switch (origin.kind) {
    case 'session':
      return { ownerId: undefined, permissions: origin.session.user.permissions }
    case 'client': {
      const { claims } = origin
      if (await queries.revocations.hasAny([claims.jti])) return undefined
      const asked = { resource: claims.aud, permissions: new Set(claims.permissions) }
      const { standing, permissions } = decideClientStanding(
        await queries.clients.findStanding(claims.client_id, claims.aud),
        asked,
      )
      return { ownerId: standing.resource?.clientId, permissions }
    }
    case 'call': {
      const { presented } = origin
      if (presented.terms.oneTime && (await queries.uses.has(presented.jti))) return undefined
      const resource = presented.audience ?? ''
      const standing = decideLiveness(
        await readLiveness(queries, presented, resource),
        presented,
        'subject',
        now,
      )
      const asked = { ...presented.root, resource, permissions: presented.permissions, now }
      const { permissions } = decideStanding(standing, asked)
      return { ownerId: standing.resource?.clientId, permissions }
    }
    case 'base': {
      const { presented } = origin
      const { delegation, user, policy } = decideLiveness(
        await readLiveness(queries, presented, ''),
        presented,
        'subject',
        now,
      )
      const held = delegablePermissions(user.permissions, policy)
      return { ownerId: undefined, permissions: intersectPermissions(delegation.permissions, held) }
    }
  }
}

function fromPresented(kind: 'base' | 'call', presented: PresentedToken, token: string): IssuedToken {
  const { jti, holder, userId, expiresAt } = presented
  return {
    jti,
    clientId: holder,
    userId,
    expiresAt,
    origin: { kind, presented, claims: parseJwt(token).claims },
  }
}

function fromClient(claims: ClientClaims): IssuedToken {
  const { jti, client_id: clientId, exp: expiresAt } = claims
  return { jti, clientId, userId: undefined, expiresAt, origin: { kind: 'client', claims } }
}

function fromSession(session: Session): IssuedToken {
  const { id: jti, clientId, user, expiresAt } = session
  return { jti, clientId, userId: user.id, expiresAt, origin: { kind: 'session', session } }
}
