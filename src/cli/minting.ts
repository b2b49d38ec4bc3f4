import { grantDelegation } from '../api/delegations.js'
import { fetchMetadata } from '../api/metadata.js'
import {
  type BaseToken,
  type CallToken,
  exchangeAssertion,
  exchangeToken,
  pullBaseToken,
} from '../api/tokens.js'
import { TOKEN_TYPE_JWT } from '../core/claims.js'
import { AUTHSEC_AUDIENCE, DEFAULT_CALL_TTL, MAX_CALL_TTL } from '../core/delegation.js'
import { formatDuration } from '../core/duration.js'
import { AuthsecError } from '../core/errors.js'
import { peekClaims } from '../core/jwt.js'
import { formatScope } from '../core/permission.js'
import type { CarriedToken } from './carried-token.js'
import { findClientId, findDelegate, readReference } from './client-reference.js'
import type { Connection } from './connection.js'
import type { Clock } from './context.js'

/** What a token that has to last gets on top, for its way here. */
const TRANSIT_SECONDS = 5

/** What a call token is asked for. */
export interface CallTerms {
  audience: string
  permissions: readonly string[]
  ttlSeconds: number | undefined
  tool: string | undefined
  /** The arguments of the one call that is meant, as JSON text. */
  args: string | undefined
}

export interface MintRequest {
  /** UUID or exact name; otherwise the client that the connection means. */
  client: string | undefined
  /** Whether a delegation is granted first where there is none that lasts. */
  grant: boolean
  /** Without it the base token itself is wanted. */
  call: CallTerms | undefined
  /** How long the token must live at least, in seconds. */
  minTtlSeconds: number
}

/** An exchange of a token that is at hand, instead of the client's own base token. */
export interface CarriedRequest {
  /** UUID or exact name; otherwise the client that the connection means. */
  client: string | undefined
  subject: CarriedToken
  actor: CarriedToken | undefined
  call: CallTerms
  /** How long the token must live at least, in seconds. */
  minTtlSeconds?: number
}

export interface MintedToken {
  token: string
  kind: 'base' | 'call'
  clientId: string
  audience: readonly string[]
  permissions: readonly string[]
  /** Milliseconds since the epoch. */
  expiresAt: number
  /** The audit event that recorded the issuance, when the server names it. */
  auditId: string | undefined
}

/**
 * Gets a token for a client: its base token, exchanged for a call token where one is asked for. Throws
 * `exchange_unsupported` where the server offers none, `conflict` when the token would not live long enough,
 * and everything that pulling, granting and exchanging throw.
 */
export async function mintToken(
  connection: Connection,
  clock: Clock,
  request: MintRequest,
): Promise<MintedToken> {
  const reference = readReference(connection, request.client)
  const offer = request.call ? await findOffer(connection) : undefined
  const clientId = await findClientId(connection, reference)
  const base = await obtainBaseToken(connection, clock, clientId, request)
  const { call, minTtlSeconds } = request
  const subject = { token: base.token, type: TOKEN_TYPE_JWT }
  const minted =
    call && offer
      ? await exchange(connection, clock, { clientId, subject, actor: undefined, call, minTtlSeconds, offer })
      : describeBase(clientId, base)
  return assertMinted(minted, clock, minTtlSeconds, adviseOnLife(request, minted, base, offer))
}

/** Exchanges a token that is at hand for a call token; throws what `mintToken` throws when it exchanges. */
export async function exchangeCarried(
  connection: Connection,
  clock: Clock,
  { client, subject, actor, call, minTtlSeconds = 0 }: CarriedRequest,
): Promise<MintedToken> {
  const reference = readReference(connection, client)
  const offer = await findOffer(connection)
  const clientId = await findClientId(connection, reference)
  const minted = await exchange(connection, clock, { clientId, subject, actor, call, minTtlSeconds, offer })
  return assertMinted(minted, clock, minTtlSeconds, 'The token that is exchanged ends too soon.')
}

/** Exchanges the identity token of a job for a call token of a client that a trust rule lets it be. */
export async function exchangeIdentity(
  connection: Connection,
  clock: Clock,
  { client, assertion, call }: { client: string | undefined; assertion: string; call: CallTerms },
): Promise<MintedToken> {
  const clientId = await findClientId(connection, readReference(connection, client))
  const askedAt = clock.now()
  const answer = await exchangeAssertion(connection.target, { ...call, clientId, assertion })
  return assertMinted(describeCall(answer, { clientId, call, askedAt }), clock, 0)
}

/** What ends a token before its time. */
function adviseOnLife(
  { grant, call }: MintRequest,
  minted: MintedToken,
  base: BaseToken,
  offer: Offer | undefined,
): string {
  if (call && offer && minted.expiresAt < Date.parse(base.expires_at)) {
    return call.ttlSeconds === undefined
      ? 'The server lets no call token live longer.'
      : `Ask for a longer life with --ttl, ${formatDuration(offer.longest)} at most.`
  }
  return grant
    ? 'The policy lets no delegation live longer: see authsec policy list.'
    : 'The delegation ends too soon: mint with --grant to renew it.'
}

function assertMinted(minted: MintedToken, clock: Clock, minTtlSeconds: number, hint?: string): MintedToken {
  assertTokenText(minted.token)
  // Times in tokens are whole seconds: what was asked for is not refused for the part of one that is gone.
  const lifeSeconds = Math.ceil((minted.expiresAt - clock.now()) / 1000)
  if (lifeSeconds >= minTtlSeconds) return minted
  const [lives, wanted] = [formatDuration(Math.max(0, lifeSeconds)), formatDuration(minTtlSeconds)]
  throw new AuthsecError('conflict', `the token would live ${lives}, less than the ${wanted} wanted`, {
    hint,
  })
}

/** How a server hands out call tokens. */
interface Offer {
  /** The longest life of one, in seconds. */
  longest: number
  /** Whether it takes the word of no client that proves nothing. */
  wantsProof: boolean
}

/** Throws `exchange_unsupported` where the server has no call tokens. */
async function findOffer({ target }: Connection): Promise<Offer> {
  const metadata = await fetchMetadata(target).catch((error: unknown) => {
    if (AuthsecError.is(error, 'not_found')) return undefined
    throw error
  })
  if (metadata?.offersCallTokens) {
    return { longest: metadata.maxCallTtl ?? MAX_CALL_TTL, wantsProof: metadata.wantsProof }
  }
  throw new AuthsecError('exchange_unsupported', `${target.serverUrl} does not offer call tokens`, {
    hint: 'Leave out --audience, --permission, --ttl and --tool to get the base token.',
  })
}

async function obtainBaseToken(
  connection: Connection,
  clock: Clock,
  clientId: string,
  { grant, minTtlSeconds }: MintRequest,
): Promise<BaseToken> {
  const { target } = connection
  if (!grant) return await pullBaseToken(target, clientId)

  const held = await pullBaseToken(target, clientId).catch((error: unknown) => {
    if (AuthsecError.is(error, 'no_delegation') || AuthsecError.is(error, 'delegation_expired'))
      return undefined
    throw error
  })
  // A new delegation ends the old one and every token made from it, so one that lasts is kept.
  if (held !== undefined && Date.parse(held.expires_at) - clock.now() >= minTtlSeconds * 1000) return held
  const { agentType } = await findDelegate(connection, clientId)
  return await grantDelegation(target, clientId, { agentType, audience: [AUTHSEC_AUDIENCE] })
}

async function exchange(
  { target }: Connection,
  clock: Clock,
  {
    clientId,
    subject,
    actor,
    call,
    minTtlSeconds,
    offer: { longest, wantsProof },
  }: Pick<CarriedRequest, 'subject' | 'actor' | 'call'> & {
    clientId: string
    minTtlSeconds: number
    offer: Offer
  },
): Promise<MintedToken> {
  const { audience, permissions, ttlSeconds, tool, args } = call
  const askedAt = clock.now()
  const answer = await exchangeToken(target, {
    clientId,
    asPerson: wantsProof,
    subjectToken: subject.token,
    subjectTokenType: subject.type,
    actorToken: actor?.token,
    actorTokenType: actor?.type,
    audience,
    permissions,
    ttlSeconds: ttlSeconds ?? chooseLife(minTtlSeconds, longest),
    tool,
    call: args,
  })
  return describeCall(answer, { clientId, call, askedAt })
}

// With what the way here takes, as far as the server goes.
function chooseLife(minTtlSeconds: number, longest: number): number | undefined {
  const wanted = minTtlSeconds + TRANSIT_SECONDS
  return wanted <= DEFAULT_CALL_TTL ? undefined : Math.max(minTtlSeconds, Math.min(wanted, longest))
}

function describeCall(
  answer: CallToken,
  { clientId, call, askedAt }: { clientId: string; call: CallTerms; askedAt: number },
): MintedToken {
  const { audience, permissions } = call
  const granted = answer.scope === undefined ? permissions : answer.scope.split(' ').filter(Boolean)
  if (permissions.length > 0 && granted.some((permission) => !permissions.includes(permission))) {
    throw new AuthsecError(
      'grant_widened',
      `the server granted more than was asked for: ${formatScope(granted)}`,
      {
        hint: 'The token was dropped. Check which server this is.',
      },
    )
  }
  return {
    token: answer.access_token,
    kind: 'call',
    clientId,
    audience: [audience],
    permissions: granted,
    expiresAt: readExpiry(answer.access_token) ?? askedAt + answer.expires_in * 1000,
    auditId: answer.authsec_audit,
  }
}

function describeBase(clientId: string, base: BaseToken): MintedToken {
  return {
    token: base.token,
    kind: 'base',
    clientId,
    audience: base.audience,
    permissions: base.permissions,
    expiresAt: Date.parse(base.expires_at),
    auditId: undefined,
  }
}

function readExpiry(token: string): number | undefined {
  const { exp } = peekClaims(token)
  return typeof exp === 'number' ? exp * 1000 : undefined
}

// RFC 6750 §2.1. What is printed next is the token: nothing else may hide in it, least of all a line break.
function assertTokenText(token: string): void {
  if (/^[\w.~+/-]+=*$/.test(token)) return
  throw new AuthsecError('token_response_invalid', 'the server sent something that is not a token')
}
