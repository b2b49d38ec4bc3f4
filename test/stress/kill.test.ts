import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseJwt } from '../../src/core/jwt.js'
import { createVerifier } from '../../src/verify/index.js'
import { type DevServer, openShell, type Shell } from '../e2e/shell.js'
import { chooseSeed, countRounds, createRandom } from './rounds.js'

const AUDIENCE = 'https://billing.example'
const CALLERS = 8

let shell: Shell

beforeAll(() => {
  shell = openShell()
})

afterAll(() => shell.close())

describe('a server that is killed in the middle of issuing tokens', () => {
  test('has a record of every token that a client received, and keeps its keys', async ({ annotate }) => {
    const seed = chooseSeed()
    await annotate(`AUTHSEC_STRESS_SEED=${seed}`)
    const random = createRandom(seed)
    const state = path.join(shell.directory, 'state')
    const received: string[] = []
    let keys: unknown

    for (let round = 0; round < countRounds(2); round++) {
      const server = await shell.serve(['--state', state])
      keys ??= await readJson(`${server.url}/oauth/jwks`)
      const killed = new AbortController()
      const callers = Array.from({ length: CALLERS }, () => mintUntil(killed.signal, server, received))
      const before = received.length
      while (received.length < before + CALLERS) await delay(5)
      await delay(random() * 300)
      await server.stop('SIGKILL')
      killed.abort()
      await Promise.all(callers)

      const next = await shell.serve(['--state', state])
      const recorded = await readIssued(next)
      const lost = received.filter((token) => !recorded.has(String(parseJwt(token).claims['jti'])))
      expect(lost).toHaveLength(0)
      expect(await readJson(`${next.url}/oauth/jwks`)).toEqual(keys)
      const verifier = createVerifier({ serverUrl: next.url, audience: AUDIENCE })
      for (const token of received.slice(before)) await verifier.verify(token)
      await next.stop()
    }
  })
})

/** Mints one token after another until the server is gone; what it received counts, whatever came after. */
async function mintUntil(
  killed: AbortSignal,
  { url, clientId }: DevServer,
  received: string[],
): Promise<void> {
  try {
    const pulled = await readJson(`${url}/uflow/sdk/delegation-token?client_id=${clientId}`)
    const body = new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: pulled.token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      client_id: clientId,
      resource: AUDIENCE,
    })
    while (!killed.aborted) {
      const { access_token } = await readJson(`${url}/oauth/token`, { method: 'POST', body })
      received.push(access_token)
    }
  } catch (error) {
    // A connection that broke is what a kill looks like; a refusal would be a fault.
    if (!(error instanceof TypeError)) throw error
  }
}

/** The jti of every token in the log, whose sequence numbers have no gap. */
async function readIssued({ url, env }: DevServer): Promise<Set<string>> {
  const issued = new Set<string>()
  let after: number | undefined
  for (;;) {
    const page = after === undefined ? 'limit=1000' : `limit=1000&after=${after}`
    const { events, next } = await readJson(`${url}/audit/events?${page}`, {
      headers: { authorization: `Bearer ${env['AUTHSEC_TOKEN']}` },
    })
    if (events.length === 0) return issued
    for (const { seq, event } of events) {
      expect(seq).toBe(after === undefined ? 0 : after + 1)
      after = seq
      if (event.type === 'token.exchanged' && event.outcome === 'allow') issued.add(event.jti)
    }
    expect(next).toBe(after)
  }
}

async function readJson(url: string, init?: RequestInit) {
  const response = await fetch(url, init)
  const body = await response.text()
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${body}`)
  return JSON.parse(body)
}
