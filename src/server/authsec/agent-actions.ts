import { ACTION_POLL_INTERVAL, ACTION_TTL, hasExpired } from '../../authority/agent-actions.js'
import { levelOf } from '../../authority/risk.js'
import { AuthsecError } from '../../core/errors.js'
import type { AgentAction } from '../../store/agent-actions.js'
import { readJson } from '../body.js'
import { authsecPaths, type Endpoint } from '../endpoint.js'
import { readQueryString, readString, requireBoolean, requireString } from '../fields.js'

const ACTIONS = '/uflow/agent/actions'
const SCORE = 'The risk is scored by the words of action and resource; there are no risk policies to change.'

export const evaluateAction: Endpoint<'session'> = {
  method: 'POST',
  paths: authsecPaths(`${ACTIONS}/evaluate`),
  access: 'session',
  modes: ['dev', 'shared'],
  summary: 'Ask whether an agent may do something',
  speaks: 'AuthSec A',
  differences: `${SCORE} metadata is not kept.`,
  event: 'action.evaluated',
  errors: 'authsec',
  refusals: { client_not_found: [400, 'Client not found or not active'], not_found: [400, 'User not found'] },

  async handle(request, { authority, caller, provenance }) {
    const body = await readJson(request)
    const action = await authority.agentActions.evaluate(
      {
        clientId: requireString(body, 'client_id'),
        agentId: requireString(body, 'agent_id'),
        action: requireString(body, 'action'),
        resource: requireString(body, 'resource'),
        userEmail: requireString(body, 'user_email'),
        agentName: readString(body, 'agent_name'),
        detail: readString(body, 'detail'),
      },
      caller,
      provenance,
    )
    const isPending = action.status === 'pending'
    return Response.json({
      action_req_id: action.id,
      status: action.status,
      risk_score: action.riskScore,
      risk_level: levelOf(action.riskScore),
      approval_type: action.approvalType,
      ...(isPending && { expires_in: ACTION_TTL, interval: ACTION_POLL_INTERVAL }),
      message: isPending ? 'Approval required' : 'Action auto-approved',
    })
  },
}

/** How an action stands: always 200, and `error` tells what a poll needs to know. */
export const actionStatus: Endpoint<'session'> = {
  method: 'GET',
  paths: authsecPaths(`${ACTIONS}/status`),
  access: 'session',
  modes: ['dev', 'shared'],
  summary: 'Ask how an action of an agent stands',
  speaks: 'AuthSec A',
  event: 'action.read',
  errors: 'authsec',

  async handle(request, { authority }) {
    const id = readQueryString(new URL(request.url).searchParams, 'action_req_id')
    if (!id) throw new AuthsecError('invalid_request', 'action_req_id is required')
    const action = await authority.agentActions.find(id)
    if (action === undefined) {
      const unknown = { status: '', risk_score: 0, risk_level: '' }
      const error = { error: 'not_found', error_description: 'there is no such action' }
      return Response.json({ action_req_id: id, ...unknown, ...error })
    }
    return Response.json({
      action_req_id: action.id,
      risk_score: action.riskScore,
      risk_level: levelOf(action.riskScore),
      ...describeStatus(action, authority.clock()),
    })
  },
}

export const respondAction: Endpoint<'session'> = {
  method: 'POST',
  paths: authsecPaths(`${ACTIONS}/respond`),
  access: 'session',
  modes: ['dev', 'shared'],
  summary: 'Approve or deny what an agent wants to do',
  speaks: 'AuthSec A',
  differences:
    'Only the user it is for or an admin may answer, by a session of their own; a critical action needs two ' +
    'of them. biometric_verified is not read.',
  event: 'action.approved',
  errors: 'authsec',
  refusals: { not_found: [404, 'Action request not found'] },

  async handle(request, { authority, caller, provenance }) {
    const body = await readJson(request)
    const isApproved = requireBoolean(body, 'approved')
    const id = requireString(body, 'action_req_id')
    const action = await authority.agentActions.respond(id, isApproved, caller, provenance)
    return Response.json({ success: true, message: MESSAGES[action.status] })
  },
}

export const pendingActions: Endpoint<'session'> = {
  method: 'GET',
  paths: authsecPaths(`${ACTIONS}/pending`),
  access: 'session',
  modes: ['dev', 'shared'],
  summary: 'List what waits for an answer',
  speaks: 'AuthSec A',
  differences: 'Only for a session that may answer.',
  event: 'action.read',
  errors: 'authsec',

  async handle(_request, { authority, caller }) {
    const actions = await authority.agentActions.listPending(caller)
    return Response.json({ count: actions.length, actions: actions.map(formatAction) })
  },
}

const MESSAGES: Readonly<Record<AgentAction['status'], string>> = {
  approved: 'Action approved',
  auto_approved: 'Action approved',
  denied: 'Action denied',
  pending: 'Approval recorded; one more is needed',
}

function describeStatus(action: AgentAction, now: number): object {
  if (hasExpired(action, now)) {
    return { status: 'expired', error: 'expired_token', error_description: 'nobody has answered in time' }
  }
  switch (action.status) {
    case 'pending':
      return {
        status: 'pending',
        error: 'authorization_pending',
        error_description: 'nobody has answered yet',
      }
    case 'denied':
      return {
        status: 'denied',
        decision: 'denied',
        error: 'access_denied',
        error_description: 'it was denied',
      }
    default:
      return { status: action.status, decision: 'approved' }
  }
}

function formatAction(action: AgentAction): object {
  return {
    action_req_id: action.id,
    client_id: action.clientId,
    agent_id: action.agentId,
    ...(action.agentName !== undefined && { agent_name: action.agentName }),
    user_id: action.userId,
    action: action.action,
    resource: action.resource,
    ...(action.detail !== undefined && { detail: action.detail }),
    risk_score: action.riskScore,
    risk_level: levelOf(action.riskScore),
    approval_type: action.approvalType,
    status: action.status,
    // Seconds since the epoch, as in AuthSec's own records of them.
    created_at: Math.floor(action.createdAt / 1000),
    expires_at: Math.floor(action.expiresAt / 1000),
  }
}
