import { createClient } from '../../src/authority/clients.js'
import type { TokenResponse } from '../../src/authority/grants/grant.js'
import type { CallClaims } from '../../src/core/claims.js'
import { parseJwt } from '../../src/core/jwt.js'
import { createApp } from '../../src/server/app.js'
import { createRateLimiter } from '../../src/server/rate-limits.js'
import { type AuthorityBench, ISSUER, openBench } from './authority-bench.js'

export const BILLING = 'https://billing.example'
export const PROFILE = 'https://profile.example'
export const BASE_TOKEN = 'urn:ietf:params:oauth:token-type:jwt'
export const CALL_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'
export const SESSION_TOKEN = 'urn:ietf:params:oauth:token-type:id_token'

/** An agent that runs an API of its own, through which a chain reaches it. */
export interface ChainAgent {
  id: string
  spiffeId: string
  /** The API that it runs. */
  api: string
}

/** What a client sends, beyond what every exchange has; a field that is undefined is left out. */
export type Fields = Record<string, string | undefined>

export interface WireReply {
  status: number
  body: Record<string, unknown>
  text: string
  headers: Headers
}

/** A bench with agents that hand tokens to each other: the first has a delegation, each runs an API. */
export interface ChainBench extends AuthorityBench {
  /** The seeded agent first. */
  agents: readonly ChainAgent[]
  /** The first agent's base token. */
  baseToken: string
  /** An exchange of any subject by any agent. */
  exchangeAs(agent: ChainAgent, subject: string, type: string, fields?: Fields): Promise<TokenResponse>
  /**
   * A chain of so many actors: each takes the token for its own API and asks for one for the next's, the last for
   * billing.
   */
  chain(length: number, from?: 'base' | 'session', fields?: Fields): Promise<string>
  /** The same exchange as a request on the wire. */
  send(fields: Fields, headers?: Record<string, string>): Promise<WireReply>
  /** The server itself, for whoever would reach it by a socket. */
  fetch: typeof globalThis.fetch
  /** Any form on the wire. */
  post(path: string, fields: Fields, headers?: Record<string, string>): Promise<WireReply>
}

/** One more than a chain may have. */
const LENGTH = 6

/** Opens a bench on which the policy reaches every resource. */
export async function openChainBench(): Promise<ChainBench> {
  const bench = await openBench()
  const { authority, store, seeded, clock } = bench
  const { tenantId } = authority.identity
  const others = Array.from({ length: LENGTH - 1 }, (_, index) =>
    createClient(
      {
        name: `agent-${index + 1}`,
        email: `agent-${index + 1}@authsec.test`,
        clientType: 'ai_agent',
        agentType: 'langchain',
      },
      tenantId,
      clock.now,
    ),
  )
  const [policy] = await store.policies.list({})
  await store.write(async (transaction) => {
    for (const client of others) await transaction.clients.insert(client)
    for (const [index, clientId] of [seeded.agentId, ...others.map(({ id }) => id)].entries()) {
      await transaction.resources.insert({
        uri: `https://agent-${index}.example`,
        permissions: ['billing:read', 'orders:read', 'profile:read'],
        clientId,
        signingAlg: 'ES256',
        createdAt: clock.now,
      })
    }
    await transaction.policies.update({ ...policy!, resources: ['*'] })
  })
  const first = await authority.clients.find(seeded.agentId)
  const agents = [first, ...others].map(({ id, spiffeId }, index) => ({
    id,
    spiffeId: spiffeId as string,
    api: `https://agent-${index}.example`,
  }))
  const baseToken = (await bench.grant()).token
  const app = createApp({
    authority,
    mode: 'dev',
    gate: { hosts: [], ownOrigins: [], origins: [] },
    limiter: createRateLimiter({}, Date.now),
    proxies: [],
    serverUrl: ISSUER,
    stopping: new AbortController().signal,
    onSurprise: (error) => {
      throw error
    },
  })

  const exchangeAs: ChainBench['exchangeAs'] = (agent, subject, type, fields = {}) =>
    bench.exchange(subject, { client_id: agent.id, subject_token_type: type, ...fields })

  const post: ChainBench['post'] = async (path, fields, headers = {}) => {
    const sent = Object.entries(fields).filter((entry): entry is [string, string] => entry[1] !== undefined)
    const body = new URLSearchParams(sent)
    const response = await app(new Request(`${ISSUER}${path}`, { method: 'POST', body, headers }))
    const text = await response.text()
    return {
      status: response.status,
      body: text === '' ? {} : JSON.parse(text),
      text,
      headers: response.headers,
    }
  }

  return {
    ...bench,
    agents,
    baseToken,
    exchangeAs,

    async chain(length, from = 'base', fields = {}) {
      let token = from === 'base' ? baseToken : await authority.sessions.start(bench.alice)
      let type = from === 'base' ? BASE_TOKEN : SESSION_TOKEN
      for (const [index, agent] of agents.slice(0, length).entries()) {
        const resource = index === length - 1 ? BILLING : agents[index + 1]!.api
        const answer = await exchangeAs(agent, token, type, { resource, ...fields })
        token = answer.access_token
        type = CALL_TOKEN
      }
      return token
    },

    fetch: async (input, init) => app(new Request(input, init)),
    post,

    send(fields, headers) {
      const form = {
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        client_id: seeded.agentId,
        subject_token: baseToken,
        subject_token_type: BASE_TOKEN,
        resource: BILLING,
        ...fields,
      }
      return post('/oauth/token', form, headers)
    },
  }
}

/** What a call token says. */
export function claimsOf(token: string): CallClaims {
  return parseJwt(token).claims as unknown as CallClaims
}
