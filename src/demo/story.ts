import { randomUUID } from 'node:crypto'
import { DEV_SEED, type Seed } from '../authority/seed.js'
import { anySignal } from '../core/any-signal.js'
import { AUDIT_EVENTS, type AuditEntry } from '../core/audit-record.js'
import { AuthsecError } from '../core/errors.js'
import { type AuthsecClient, createAuthsecClient } from '../sdk/index.js'
import { type RunningServer, startServer } from '../server/index.js'
import type { PlannedCall } from './agent.js'
import { type DemoApi, type DemoParts, startApis } from './apis.js'
import { formatEvent, type StoryEvent } from './events.js'
import { type Person, signIn } from './person.js'
import { REFUND_PERMISSION, REFUND_TOOL } from './refunds.js'
import { callAnotherApi, callWithExpiredToken, refundMore, refundWithoutApproval } from './refusals.js'

export interface DemoOptions {
  /** Tells a step of the story; `describe` says it in plain words, on one line or a few. */
  emit: (event: StoryEvent, describe: () => string) => void
  /** Tells something beside it. */
  note: (line: string) => void
  signal: AbortSignal
}

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
  fanOut: {
    title: 'Many calls at once',
    about:
      'A model that calls one tool six times in one breath needs one token: the SDK asks once for all who wait.',
  },
  refunds: {
    title: 'An agent that moves money',
    about:
      'The token of a refund is made for this invoice and this amount, and is good for nothing else. Above 50.00 EUR the\n' +
      'API wants the approval of the user, who is asked by AuthSec and not by the agent.',
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

const ALICE = 'alice@authsec.test'
const READING: readonly PlannedCall[][] = [
  [{ tool: 'get_billing' }],
  [{ tool: 'get_profile' }],
  [{ tool: 'list_orders' }],
]
const ORDERS = ['A-1042', 'A-1043', 'A-1044', 'A-1045', 'A-1046', 'A-1047']

/** The calls that have to be accepted, then those that have to be refused. */
const EXPECTED = [
  'billing',
  'profile',
  'orders',
  'fan_out',
  'refund',
  'approved_refund',
  'permission',
  'amount',
  'approval',
  'expired',
  'audience',
] as const
type Outcome = (typeof EXPECTED)[number]

/**
 * Tells the whole story on this machine: an agent calls three APIs with call tokens, refunds money with the approval of
 * its user, five calls are refused, and the audit log shows all of it. Resolves to whether everything went as expected.
 * Throws `configuration` where langchain is not installed.
 */
export async function runDemo({ emit, note, signal }: DemoOptions): Promise<boolean> {
  const happened = new Set<Outcome>()
  const names = new Map<string, string>()
  let isQuiet = false
  const tell = (event: StoryEvent) => {
    if (event.type === 'api.accepted') happened.add(event.api as Outcome)
    if (event.type === 'refunded') happened.add(event.approved ? 'approved_refund' : 'refund')
    if (!isQuiet) emit(event, () => formatEvent(event, names))
  }
  const { askAgent } = await loadAgent()
  note('everything happens on this machine; nothing is kept')

  const password = randomUUID()
  const server = await startServer({
    state: ':memory:',
    port: 0,
    seed: createSeed(),
    passwords: { [ALICE]: password },
  })
  names.set(server.clientId, 'demo-agent').set(server.user.id, 'alice')
  const apis: DemoApi[] = []
  let authsec: AuthsecClient | undefined
  const failed = new AbortController()
  try {
    tell({ type: 'scene', ...SCENES.parts })
    tell({ type: 'server.started', url: server.url, agent: server.clientId, user: server.user.id })
    apis.push(...(await startApis(server.url, tell)))
    for (const { name, audience, url } of apis) tell({ type: 'api.started', api: name, audience, url })
    const alice = await signIn(server, ALICE, password)
    authsec = createAuthsecClient({
      serverUrl: server.url,
      clientId: server.clientId,
      audiences: Object.fromEntries(
        apis.map(({ name, audience, url }) => [name, { resource: audience, origins: [url] }]),
      ),
      onEvent({ type }) {
        if (type !== 'approval.requested') return
        letApprove(alice, server.user.id, tell).catch((error) => failed.abort(error))
      },
    })
    const stop = anySignal([signal, failed.signal])
    const parts: DemoParts = { authsec, apis, tell, signal: stop }
    const ask = async (question: string, turns: readonly (readonly PlannedCall[])[]) => {
      tell({ type: 'question', text: question })
      return askAgent(question, turns, parts)
    }

    tell({ type: 'scene', ...SCENES.agent })
    const { answer } = await ask('show me my billing details, my profile and my last orders', READING)
    tell({ type: 'answer', text: answer })

    tell({ type: 'scene', ...SCENES.fanOut })
    const before = authsec.stats().exchanges
    const tracking = ORDERS.map((order) => ({ tool: 'track_order', args: { order } }))
    const question = `where are my ${tracking.length} orders`
    tell({ type: 'question', text: question })
    isQuiet = true
    await askAgent(question, [tracking], parts)
    isQuiet = false
    const tokens = authsec.stats().exchanges - before
    tell({ type: 'fan_out', calls: tracking.length, tokens })
    if (tokens === 1) happened.add('fan_out')

    tell({ type: 'scene', ...SCENES.refunds })
    await ask('refund me 20.00 EUR of INV-7', [[planRefund('20.00')]])
    await ask('refund me 120.00 EUR of INV-7', [[planRefund('120.00')]])

    tell({ type: 'scene', ...SCENES.refusals })
    const { toolMessages } = await ask('close my account', [[{ tool: 'close_account' }]])
    if (tellToolRefusal(toolMessages, tell)) happened.add('permission')
    if (await refundMore(parts)) happened.add('amount')
    if (await refundWithoutApproval(parts)) happened.add('approval')
    if (await callWithExpiredToken(parts)) happened.add('expired')
    if (await callAnotherApi(parts)) happened.add('audience')

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

// The users' world of a dev server, in which the agent may refund as well.
function createSeed(): Seed {
  const policies = DEV_SEED.policies.map((policy) => ({
    ...policy,
    allowedPermissions: [...policy.allowedPermissions, REFUND_PERMISSION],
  }))
  return { ...DEV_SEED, policies }
}

function planRefund(amount: string): PlannedCall {
  return { tool: REFUND_TOOL, args: { invoice: 'INV-7', amount } }
}

async function letApprove(person: Person, user: string, tell: (event: StoryEvent) => void): Promise<void> {
  const message = await person.approve()
  tell({ type: 'approval.answered', user, message, approved: true })
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
    what: 'the tool close_account asked for profile:delete, which nobody has delegated to the agent',
    by: 'AuthSec',
    code: code ?? 'not refused',
    audit_id: auditId,
  })
  return code === 'invalid_scope'
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
