import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { readDelegation, requireDelegation } from '../middleware/express.js'
import type { AuthsecClient } from '../sdk/index.js'
import { createVerifier } from '../verify/index.js'
import type { StoryEvent } from './events.js'
import { createRefundRoute } from './refunds.js'

/** What an API knows and who may ask it. */
interface ApiPlan {
  name: string
  /** Its name in tokens. */
  audience: string
  permission: string
  answer: object
}

/** An API that is up. */
export interface DemoApi {
  name: string
  audience: string
  url: string
  close(): Promise<void>
}

/** What the agent works with, and whoever tries to get away with more than a token is for. */
export interface DemoParts {
  authsec: AuthsecClient
  apis: readonly DemoApi[]
  tell: (event: StoryEvent) => void
  signal: AbortSignal
}

const PLANS: readonly ApiPlan[] = [
  {
    name: 'billing',
    audience: 'https://billing.example',
    permission: 'billing:read',
    answer: { plan: 'Team', next_invoice: '2026-12-01', amount: '49.00 EUR' },
  },
  {
    name: 'profile',
    audience: 'https://profile.example',
    permission: 'profile:read',
    answer: { name: 'Alice Example', language: 'en', member_since: '2024-03-09' },
  },
  {
    name: 'orders',
    audience: 'https://orders.example',
    permission: 'orders:read',
    answer: { orders: ['A-1042 keyboard (shipped)', 'A-1043 desk lamp (packed)'] },
  },
]

/** Starts the three APIs on free ports of this machine, each protected by the middleware. */
export function startApis(serverUrl: string, tell: (event: StoryEvent) => void): Promise<DemoApi[]> {
  return Promise.all(PLANS.map((plan) => startApi(plan, serverUrl, tell)))
}

/** One of the APIs by its name; throws a `TypeError` where there is none. */
export function findApi(apis: readonly DemoApi[], name: string): DemoApi {
  const api = apis.find((candidate) => candidate.name === name)
  if (api === undefined) throw new TypeError(`no API ${name}`)
  return api
}

async function startApi(
  { name, audience, permission, answer }: ApiPlan,
  serverUrl: string,
  tell: (event: StoryEvent) => void,
): Promise<DemoApi> {
  // No tolerance for clocks: they are all this machine's, and the story shows a token that has just expired.
  const verifier = createVerifier({ serverUrl, audience, clockToleranceSeconds: 0 })
  const guard = requireDelegation(verifier, { permissions: [permission] })
  const refund = createRefundRoute(verifier, tell)

  const server = createServer((request, response) => {
    const next = (error?: unknown) => {
      if (error !== undefined) return void response.writeHead(500).end()
      const { actor, user, permissions } = readDelegation(request)
      tell({
        type: 'api.accepted',
        api: name,
        agent: actor.clientId,
        user: user.id,
        permissions: [...permissions],
      })
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(answer))
    }
    const route = name === 'billing' && request.method === 'POST' ? refund : guard
    route(request, response, next).catch(next)
  })
  return { name, audience, url: await listen(server), close: () => close(server) }
}

function listen(server: Server): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`))
  })
}

function close(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(() => resolve()))
}
