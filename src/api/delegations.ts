import { AuthsecError, type ErrorCode } from '../core/errors.js'
import { readShape, readShapes, type Shaped } from './answer.js'
import { type ApiTarget, callServer } from './http.js'
import type { Explanation, Refusal } from './refusal.js'
import { pullBaseToken } from './tokens.js'

const AGENTS = '/authsec/uflow/admin/agents'

const AGENT = { id: 'text', name: 'text?' } as const

const GRANTED = {
  spiffe_id: 'text?',
  /** RFC 3339. */
  expires_at: 'text',
  permissions: 'texts',
  /** The APIs where the agent may act; `authsec-api` stands for all that the policy names. */
  audience: 'texts',
  /** Seconds that it lives, from the grant on. */
  ttl_seconds: 'number?',
} as const

/** A delegation that was just granted, without its token. */
export type GrantedDelegation = Shaped<typeof GRANTED>

const GRANT = { token: 'text', ...GRANTED } as const

/** A delegation that was just granted; `token` is the agent's new base token. */
export type Grant = Shaped<typeof GRANT>

export interface GrantTerms {
  agentType: string
  audience: readonly string[]
  /** In seconds; left out, the server decides. */
  ttlSeconds?: number | undefined
}

// AuthSec answers these in words only; the texts are its own.
const REFUSALS: readonly (readonly [RegExp, ErrorCode])[] = [
  [/^agent not found/i, 'client_not_found'],
  [/not active/i, 'client_inactive'],
  [/SPIFFE identity/i, 'identity_missing'],
  [/^no permissions to delegate/i, 'nothing_to_delegate'],
  [/bound to client/i, 'policy_bound_elsewhere'],
  [/^delegation not allowed/i, 'delegation_not_allowed'],
]

/**
 * Delegates what the session's user may delegate to an agent; it replaces the agent's live delegation. Throws
 * `client_not_found`, `client_inactive`, `identity_missing`, `delegation_not_allowed`, `nothing_to_delegate` or
 * `policy_bound_elsewhere`.
 */
export async function grantDelegation(
  target: ApiTarget,
  clientId: string,
  { agentType, audience, ttlSeconds }: GrantTerms,
): Promise<Grant> {
  const body = await callServer(target, {
    method: 'POST',
    path: `${agentPath(clientId)}/delegate-token`,
    session: 'required',
    json: { agent_type: agentType, audience, ttl_seconds: ttlSeconds },
    explain: explainGrant,
  })
  return readShape(body, GRANT, 'grant')
}

const DELEGATION = {
  /** The agent. */
  client_id: 'text',
  client_name: 'text?',
  /** For whom the agent acts. */
  user_id: 'text?',
  /** The policy that allows it. */
  policy_id: 'text?',
  /** `active`, `expired` or `revoked`. */
  status: 'text',
  permissions: 'texts',
  /** The APIs where the agent may act; AuthSec itself does not say, and the list is empty. */
  resources: 'texts',
  /** What was asked for: APIs, or `authsec-api`, which stands for all that the policy names. */
  audience: 'texts',
  /** Seconds that it lives, from the grant on. */
  ttl_seconds: 'number?',
  /** RFC 3339. */
  issued_at: 'text?',
  /** RFC 3339. */
  expires_at: 'text',
} as const

/** A delegation without its token. */
export type Delegation = Shaped<typeof DELEGATION>

/**
 * The delegations, the latest first, or that of one client. AuthSec itself keeps no list: there every agent is asked for
 * its token, which is dropped, so that only live ones are seen.
 */
export async function listDelegations(target: ApiTarget, clientId?: string): Promise<Delegation[]> {
  try {
    const body = await callServer(target, {
      method: 'GET',
      path: '/admin/delegations',
      session: 'required',
      query: { client_id: clientId },
    })
    return readShapes(readShape(body, {}, 'list of delegations')['delegations'], DELEGATION, 'delegation')
  } catch (error) {
    if (!AuthsecError.is(error, 'not_found')) throw error
    return await pullEach(target, clientId)
  }
}

async function pullEach(target: ApiTarget, clientId: string | undefined): Promise<Delegation[]> {
  const body = await callServer(target, { method: 'GET', path: AGENTS, session: 'required' })
  const agents = readShapes(readShape(body, {}, 'list of agents')['agents'], AGENT, 'agent')
  const found: Delegation[] = []
  for (const { id, name } of agents) {
    if (clientId !== undefined && id !== clientId) continue
    const pulled = await pullBaseToken(target, id).catch((error: unknown) => {
      if (
        ['no_delegation', 'delegation_expired', 'client_not_found'].some((code) =>
          AuthsecError.is(error, code as ErrorCode),
        )
      )
        return undefined
      throw error
    })
    if (pulled === undefined) continue
    const { token: _dropped, ...delegation } = pulled
    const told = { ...delegation, client_id: id, client_name: name ?? null, status: 'active' }
    found.push(readShape(told, DELEGATION, 'delegation'))
  }
  return found
}

/** Ends the live delegation of an agent at once; throws `no_delegation` when it has none. */
export async function revokeDelegation(target: ApiTarget, clientId: string): Promise<void> {
  await callServer(target, {
    method: 'POST',
    path: `${agentPath(clientId)}/revoke-token`,
    session: 'required',
    explain: ({ status, error }) =>
      status === 404 && /delegation token/i.test(error)
        ? { code: 'no_delegation', message: `client ${clientId} has no live delegation to revoke` }
        : undefined,
  })
}

function explainGrant({ error }: Refusal): Explanation | undefined {
  const code = REFUSALS.find(([text]) => text.test(error))?.[1]
  if (code === undefined) return undefined
  if (code === 'delegation_not_allowed') {
    return { code, hint: 'See authsec policy list, and authsec policy create for this agent type.' }
  }
  return { code }
}

function agentPath(clientId: string): string {
  return `${AGENTS}/${encodeURIComponent(clientId)}`
}
