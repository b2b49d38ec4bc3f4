import { type CallTerms, isSpentByUse, UNBOUND } from '../core/call-terms.js'
import {
  type ActorClaim,
  type CallClaims,
  TOKEN_TYPE_ACCESS_TOKEN,
  TOKEN_TYPE_ID_TOKEN,
  TOKEN_TYPE_JWT,
} from '../core/claims.js'
import { AuthsecError } from '../core/errors.js'
import type { Permissions } from '../core/permission.js'
import { type MayAct, type PresentedKind, parseMayAct } from '../core/presenting.js'
import type { BaseTokens, PresentedBaseToken } from './base-tokens.js'
import type { CallTokens, TokenRole } from './call-tokens.js'
import type { Sessions } from './sessions.js'

/**
 * A token that has been presented and is what it says: ours, of its kind, not expired. Whether it is alive is another
 * question.
 */
export interface PresentedToken {
  kind: PresentedKind
  jti: string
  /** Seconds since the epoch. */
  expiresAt: number
  /** For whom it acts. */
  userId: string
  /** The client it was issued to; a session that a person has logged in to is no client's. */
  holder?: string | undefined
  /** The API of a call token. The audience of a base token proves addressing only and decides nothing. */
  audience?: string | undefined
  /** What it carries at most; undefined where its root alone decides. */
  permissions?: Permissions | undefined
  /** Who has acted so far. */
  act?: ActorClaim | undefined
  mayAct?: MayAct | undefined
  terms: CallTerms
  /** What correlates a whole chain. */
  txn?: string | undefined
  root: Root
  /** The jtis of what it descends from, nearest first, the root's last; a root has none. */
  ancestors: readonly string[]
}

/** Where the authority of a token comes from. */
export interface Root {
  /** A delegation row, or a user's session. */
  grant: CallClaims['authsec_grant']
  /** The first actor: whom the user or the row let act. */
  clientId: string
  userId: string
  /** The jti of the base token or the session. */
  jti: string
  /** The id of the row; unknown of a base token, where the jti says it. */
  delegation?: string | undefined
}

/** A kind of token that can be presented, as a value in the list of them. */
export interface TokenKind {
  kind: PresentedKind
  /** Its token type identifier (RFC 8693 §3). It selects one key set, one `typ` and one issuer: there is no fallback. */
  tokenType: string
  /** Whether it can prove that a client acts. */
  provesActor: boolean
  /** Throws `invalid_request` for what is not of this kind and ours, `invalid_grant` for what has expired. */
  verify(token: string, role: TokenRole, verifiers: Verifiers): PresentedToken | Promise<PresentedToken>
}

export interface Verifiers {
  baseTokens: BaseTokens
  callTokens: CallTokens
  sessions: Sessions
  /** Who presents it: the first actor of what descends from a session. */
  clientId: string
}

const BASE: TokenKind = {
  kind: 'base',
  tokenType: TOKEN_TYPE_JWT,
  provesActor: true,
  verify: (token, role, { baseTokens }) => readBaseToken(baseTokens.verify(token, role)),
}

const SESSION: TokenKind = {
  kind: 'session',
  tokenType: TOKEN_TYPE_ID_TOKEN,
  provesActor: false,
  async verify(token, role, { sessions, clientId }) {
    if (!sessions.isIssued(token)) {
      throw new AuthsecError('invalid_request', `the ${role} token is not a session of this server`)
    }
    const session = await sessions.resume(token).catch((error: unknown) => {
      if (!AuthsecError.is(error, 'login_required')) throw error
      throw new AuthsecError('invalid_grant', `the ${role} token is not a live session`)
    })
    const { id: jti, user, expiresAt, ceiling, mayAct, clientId: holder } = session
    return {
      kind: 'session',
      jti,
      expiresAt,
      userId: user.id,
      holder,
      permissions: ceiling && new Set(ceiling),
      mayAct,
      terms: UNBOUND,
      root: { grant: 'user', clientId, userId: user.id, jti, delegation: jti },
      ancestors: [],
    }
  },
}

const CALL: TokenKind = {
  kind: 'call',
  tokenType: TOKEN_TYPE_ACCESS_TOKEN,
  provesActor: true,
  verify: (token, role, { callTokens }) => readCallToken(callTokens.verify(token, role)),
}

/** Every kind of token that can be presented to the token endpoint. */
export const TOKEN_KINDS: readonly TokenKind[] = [BASE, SESSION, CALL]

/** Throws `invalid_request` for a token that is good for one call or one use: it is spent there and nowhere else. */
export function assertExchangeable({ terms }: PresentedToken, role: TokenRole): void {
  if (!isSpentByUse(terms)) return
  throw new AuthsecError('invalid_request', `the ${role} token is bound to one call: it cannot be exchanged`)
}

/** A verified base token as what was presented. */
export function readBaseToken(verified: PresentedBaseToken): PresentedToken {
  const { clientId, userId, jti, expiresAt, mayAct } = verified
  const root = { grant: 'standing', clientId, userId, jti } as const
  return {
    kind: 'base',
    jti,
    expiresAt,
    userId,
    holder: clientId,
    mayAct,
    terms: UNBOUND,
    root,
    ancestors: [],
  }
}

/** A verified call token as what was presented. */
export function readCallToken(claims: CallClaims): PresentedToken {
  const { jti, exp, sub, act, txn } = claims
  const ancestors = [claims.parent_jti, ...(claims.authsec_ancestors ?? [])]
  return {
    kind: 'call',
    jti,
    expiresAt: exp,
    userId: sub,
    holder: claims.client_id,
    audience: claims.aud,
    permissions: new Set(claims.permissions),
    act,
    mayAct: claims.may_act && parseMayAct(claims.may_act),
    terms: { tool: claims.tool, bind: claims.bind ?? [], oneTime: claims.one_time ?? false },
    txn,
    root: {
      grant: claims.authsec_grant,
      clientId: findFirstActor(act).client_id,
      userId: sub,
      jti: ancestors.at(-1) as string,
      delegation: claims.authsec_delegation,
    },
    ancestors,
  }
}

function findFirstActor(act: ActorClaim): ActorClaim {
  let first = act
  while (first.act !== undefined) first = first.act
  return first
}
