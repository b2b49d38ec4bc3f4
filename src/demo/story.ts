import { AUDIT_EVENTS, type AuditEntry } from '../core/audit-record.js'
import { AuthsecError } from '../core/errors.js'
import { type AuthsecClient, createAuthsecClient } from '../sdk/index.js'
import { type RunningServer, startServer } from '../server/index.js'
import type { AgentSurroundings } from './agent.js'
import { type DemoApi, startApis } from './apis.js'
import { formatEvent, type StoryEvent } from './events.js'

export interface DemoOptions {
  /** JSON Lines instead of plain words. */
  json: boolean
  /** Prints a line of the story. */
  emit: (line: string) => void
  /** Tells something beside it. */
  note: (line: string) => void
  signal: AbortSignal
}

const QUESTION = 'show me my billing details, my profile and my last orders'

const SCENES = {
  parts: {
    title: 'The parts',
    about:
      'An AI agent that holds an API key can do everything the key can, for as long as it lives, and the API cannot\n' +
      'tell who called for whom. Here the agent holds no key: it asks AuthSec for a token right before each call.',
  },
  agent: {
    title: 'An agent works for a user',
    about: 'A LangChain agent answers one question with three tools. Each tool gets a token of its own.',
  },
  refusals: {
    title: 'What is refused',
    about:
      'A token is worth one kind of call at one API for some seconds, and never more than was delegated.',
  },
  audit: {
    title: 'The audit log of it all',
    about: 'Each line was on disk, or would be in a server that keeps its state, before its answer left.',
  },
} as const

/** The three calls that have to be accepted, and the three that have to be refused. */
const EXPECTED = ['billing', 'profile', 'orders', 'permission', 'expired', 'audience'] as const
type Outcome = (typeof EXPECTED)[number]

/**
 * Tells the whole story on this machine: an agent calls three APIs with call tokens, three calls are refused,
 * and the audit log shows all of it. Resolves to whether everything went as expected. Throws `configuration`
 * where langchain is not installed.
 */
export async function runDemo({ json, emit, note, signal }: DemoOptions): Promise<boolean> {
  const happened = new Set<Outcome>()
  const names = new Map<string, string>()
  const tell = (event: StoryEvent) => {
    if (event.type === 'api.accepted') happened.add(event.api as Outcome)
    emit(json ? JSON.stringify(event) : formatEvent(event, names))
  }
  const { askAgent, READING_TOOLS, REFUND_TOOL } = await loadAgent()
  if (!json) note('everything happens on this machine; nothing is kept')

  const server = await startServer({ state: ':memory:', port: 0 })
  names.set(server.clientId, 'demo-agent').set(server.user.id, 'alice')
  const apis: DemoApi[] = []
  let authsec: AuthsecClient | undefined
  try {
    tell({ type: 'scene', ...SCENES.parts })
    tell({ type: 'server.started', url: server.url, agent: server.clientId, user: server.user.id })
    apis.push(...(await startApis(server.url, tell)))
    for (const { name, audience, url } of apis) tell({ type: 'api.started', api: name, audience, url })

    authsec = createAuthsecClient({
      serverUrl: server.url,
      clientId: server.clientId,
      audiences: Object.fromEntries(
        apis.map(({ name, audience, url }) => [name, { resource: audience, origins: [url] }]),
      ),
    })

    tell({ type: 'scene', ...SCENES.agent })
    const surroundings: AgentSurroundings = { authsec, apis, tell, signal }
    tell({ type: 'question', text: QUESTION })
    const { answer } = await askAgent(QUESTION, READING_TOOLS, surroundings)
    tell({ type: 'answer', text: answer })

    tell({ type: 'scene', ...SCENES.refusals })
    const { toolMessages } = await askAgent('refund my last invoice', [REFUND_TOOL], surroundings)
    if (tellToolRefusal(toolMessages, tell)) happened.add('permission')
    if (await callWithExpiredToken(authsec, apis, tell, signal)) happened.add('expired')
    if (await callAnotherApi(authsec, apis, tell)) happened.add('audience')

    tell({ type: 'scene', ...SCENES.audit })
    for (const entry of await readAudit(server)) tell(toAuditEvent(entry))
  } finally {
    await Promise.all(apis.map((api) => api.close()))
    await authsec?.close()
    await server.close()
  }
  const isAsExpected = happened.size === EXPECTED.length
  tell({ type: 'end', expected: EXPECTED.length, happened: happened.size, as_expected: isAsExpected })
  return isAsExpected
}

// The one part that needs langchain, which is an optional peer.
async function loadAgent(): Promise<typeof import('./agent.js')> {
  try {
    return await import('./agent.js')
  } catch (cause) {
    // With ERR_ in front where an ES module asked for it.
    if (!(cause as NodeJS.ErrnoException).code?.endsWith('MODULE_NOT_FOUND')) throw cause
    throw new AuthsecError('configuration', 'the demo needs langchain, which is not installed', {
      hint: 'Run: npm install langchain @langchain/core',
      cause,
    })
  }
}

function tellToolRefusal(
  messages: readonly { text: string; artifact?: unknown }[],
  tell: (event: StoryEvent) => void,
): boolean {
  const [message] = messages
  const { code, auditId } = (message?.artifact ?? {}) as { code?: string; auditId?: string }
  tell({
    type: 'refused',
    what: 'the tool refund_invoice asked for billing:refund, which nobody has delegated to the agent',
    by: 'AuthSec',
    code: code ?? 'not refused',
    audit_id: auditId,
  })
  return code === 'invalid_scope'
}

async function callWithExpiredToken(
  authsec: AuthsecClient,
  apis: readonly DemoApi[],
  tell: (event: StoryEvent) => void,
  signal: AbortSignal,
): Promise<boolean> {
  const api = findApi(apis, 'billing')
  const token = await authsec.getDelegationToken({
    audience: api.audience,
    permissions: ['billing:read'],
    ttlSeconds: 1,
  })
  await sleep(token.expiresAt.getTime() - Date.now() + 50, signal)
  tell({ type: 'waited', seconds: 1, why: 'the life of a token that was asked for with one second' })
  const what = 'a token that has just expired, sent to the billing API'
  return tellApiRefusal(await call(api, token.authorization()), 'token_expired', { api, what, tell })
}

async function callAnotherApi(
  authsec: AuthsecClient,
  apis: readonly DemoApi[],
  tell: (event: StoryEvent) => void,
): Promise<boolean> {
  const { audience } = findApi(apis, 'billing')
  const api = findApi(apis, 'orders')
  const token = await authsec.getDelegationToken({ audience, permissions: ['billing:read'] })
  const what = 'a token for the billing API, sent to the orders API'
  return tellApiRefusal(await call(api, token.authorization()), 'audience_mismatch', { api, what, tell })
}

function call(api: DemoApi, authorization: string): Promise<Response> {
  return fetch(api.url, { headers: { authorization } })
}

async function tellApiRefusal(
  response: Response,
  expected: string,
  { api, what, tell }: { api: DemoApi; what: string; tell: (event: StoryEvent) => void },
): Promise<boolean> {
  const { code } = (await response.json()) as { code?: string }
  const by = `the ${api.name} API with ${response.status}`
  tell({ type: 'refused', what, by, code: code ?? 'not refused' })
  return response.status === 401 && code === expected
}

async function readAudit(server: RunningServer): Promise<AuditEntry[]> {
  const response = await fetch(`${server.url}/audit/events?limit=1000`, {
    headers: { authorization: `Bearer ${server.adminToken}` },
  })
  const { events } = (await response.json()) as { events: AuditEntry[] }
  return events
}

function toAuditEvent({ seq, event }: AuditEntry): StoryEvent {
  const subject = [event.aud?.join(' '), (event.permissions?.granted ?? event.permissions?.asked)?.join(' ')]
  return {
    type: 'audit',
    seq,
    time: event.occurred_at,
    outcome: event.outcome,
    event: event.type,
    words: [AUDIT_EVENTS[event.type], ...subject, event.reason].filter(Boolean).join('  '),
  }
}

function findApi(apis: readonly DemoApi[], name: string): DemoApi {
  const api = apis.find((candidate) => candidate.name === name)
  if (api === undefined) throw new TypeError(`no API ${name}`)
  return api
}

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      reject(signal.reason)
    })
  })
}
