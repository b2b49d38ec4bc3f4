import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseJwt } from '../../src/core/jwt.js'
import { createVerifier } from '../../src/verify/index.js'
import { type DevServer, openShell, type Shell } from '../e2e/shell.js'
import { runCli } from '../support/run-cli.js'
import { chooseSeed, countRounds, createRandom } from './rounds.js'

const AUDIENCE = 'https://billing.example'
const CALLERS = 8

let shell: Shell

beforeAll(() => {
  shell = openShell()
})

afterAll(() => shell.close())

const ROUNDS = countRounds(2, 10)

describe('a server that is killed in the middle of issuing tokens', () => {
  test('has a record of every token that a client received, in a log that verifies, and keeps its keys', async ({
    annotate,
  }) => {
    const seed = chooseSeed()
    await annotate(`AUTHSEC_STRESS_SEED=${seed}`)
    const random = createRandom(seed)
    const place = ['--state', path.join(shell.directory, 'state')]
    const issued = new Set<string>()
    let last = -1

    let server = await shell.serve(place)
    const keys = await readJson(`${server.url}/oauth/jwks`)
    for (let round = 0; round < ROUNDS; round++) {
      const received: string[] = []
      const killed = new AbortController()
      const callers = Array.from({ length: CALLERS }, () => mintUntil(killed.signal, server, received))
      while (received.length < CALLERS) await delay(5)
      await delay(random() * 150)
      await server.stop('SIGKILL')
      killed.abort()
      await Promise.all(callers)

      server = await shell.serve(place)
      last = await readIssued(server, last, issued)
      const lost = received.filter((token) => !issued.has(String(parseJwt(token).claims['jti'])))
      expect(lost).toHaveLength(0)
      await expectVerified(server)
      expect(await readJson(`${server.url}/oauth/jwks`)).toEqual(keys)
      const verifier = createVerifier({ serverUrl: server.url, audience: AUDIENCE })
      for (const token of received) await verifier.verify(token)
    }
    await server.stop()
  })
})

/** Checks the whole log as `authsec audit verify` does, and that it goes on from what was there the last time. */
async function expectVerified({ env }: DevServer): Promise<void> {
  const { code, stdout, stderr } = await runCli(['audit', 'verify', '--require', 'linked', '--json'], {
    env: { ...env, AUTHSEC_CONFIG_DIR: path.join(shell.directory, 'auditor') },
    fetch: globalThis.fetch,
    clock: { now: Date.now },
  })
  expect(`${code} ${stderr}`).toMatch(/^0 /)
  expect(['LINKED', 'INTACT']).toContain(JSON.parse(stdout).verdict)
}

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

/** Adds the jti of every token that was recorded behind a number, each once and without a gap; says the last number. */
async function readIssued({ url, env }: DevServer, after: number, issued: Set<string>): Promise<number> {
  for (let last = after; ; ) {
    const { events, next } = await readJson(`${url}/audit/events?limit=1000&after=${last}`, {
      headers: { authorization: `Bearer ${env['AUTHSEC_TOKEN']}` },
    })
    if (events.length === 0) return last
    for (const { seq, event } of events) {
      expect(seq).toBe(last + 1)
      last = seq
      if (event.type !== 'token.exchanged' || event.outcome !== 'allow') continue
      expect(issued).not.toContain(event.jti)
      issued.add(event.jti)
    }
    expect(next).toBe(last)
  }
}

async function readJson(url: string, init?: RequestInit) {
  const response = await fetch(url, init)
  const body = await response.text()
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${body}`)
  return JSON.parse(body)
}
