import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DevServer, openShell, type Shell } from '../e2e/shell.js'
import { makePostgresSchema } from '../support/postgres-schema.js'
import { startTestServer, type TestServer } from '../support/running-server.js'
import { chooseSeed, countRounds, createRandom } from './rounds.js'

const KEK_TEXT = Buffer.alloc(32, 7).toString('base64')

interface KeyRow {
  kid: string
  purpose: string
  alg: string
  state: string
}

/** Where a server keeps its keys. */
interface Place {
  args: readonly string[]
  /** Looks at what a server leaves that was killed, and lets it be gone. */
  bury(): Promise<void>
  remove(): Promise<void>
}

function openDirectory(): Place {
  const place = mkdtempSync(path.join(tmpdir(), 'authsec-keys-'))
  const state = path.join(place, 'state')
  return {
    args: ['--state', state],
    async bury() {
      for (const file of readdirSync(state)) {
        expect(statSync(path.join(state, file)).mode & 0o077, file).toBe(0)
      }
    },
    remove: async () => rmSync(place, { recursive: true, force: true }),
  }
}

async function openDatabase(): Promise<Place> {
  const schema = await makePostgresSchema()
  const place = mkdtempSync(path.join(tmpdir(), 'authsec-keys-'))
  const write = (name: string, text: string) => {
    writeFileSync(path.join(place, name), text, { mode: 0o600 })
    return path.join(place, name)
  }
  const files = ['--store-file', write('store', schema.url), '--kek-file', write('kek', KEK_TEXT)]
  return {
    args: ['--allow-dev-postgres', ...files],
    async bury() {
      // What its lease would come to: until then no key signs that it has not served.
      await schema.run('delete from replicas')
      await schema.run('delete from leases')
    },
    async remove() {
      rmSync(place, { recursive: true, force: true })
      await schema.drop()
    },
  }
}

describe.each([
  { engine: 'a directory', open: openDirectory, rounds: countRounds(2, 10) },
  { engine: 'PostgreSQL', open: openDatabase, rounds: countRounds(1, 5) },
])('a server over $engine that is killed in the middle of a change of keys', ({ open, rounds }) => {
  let shell: Shell
  let place: Place
  beforeAll(async () => {
    shell = openShell()
    place = await open()
  })
  afterAll(async () => {
    await shell.close()
    await place.remove()
  })

  test('has the old keys or the new ones, one that signs in each set, and its files to itself', async ({
    annotate,
  }) => {
    const seed = chooseSeed()
    await annotate(`AUTHSEC_STRESS_SEED=${seed}`)
    const random = createRandom(seed)
    const serve = () => shell.serve([...place.args, '--publish-ahead', '0s'])
    let server = await serve()

    for (let round = 0; round < rounds; round++) {
      const acknowledged = [await findActive(server)]
      const start = performance.now()
      const rotating = rotateUntilKilled(server, acknowledged)
      while (acknowledged.length < 2) await delay(2)
      // Anywhere in the one or two that follow.
      await delay(random() * 2 * (performance.now() - start))
      await server.stop('SIGKILL')
      await rotating
      await place.bury()

      server = await serve()
      const keys = await listKeys(server)
      const active = keys
        .filter((key) => key.state === 'active')
        .map(({ purpose, alg }) => `${purpose} ${alg}`)
      expect(new Set(active).size).toBe(active.length)
      expect(active.sort()).toEqual(SETS)
      // What was answered has happened; at most one change more has, whose answer was lost.
      const states = new Map(keys.map((key) => [key.kid, key.state]))
      for (const kid of acknowledged.slice(0, -1)) expect(states.get(kid)).toMatch(/^retir/)
      expect(states.get(acknowledged.at(-1) ?? '')).toMatch(/^(?:active|retiring)$/)
    }
    await server.stop()
  })

  const SETS = ['audit EdDSA', 'base RS256', 'call ES256', 'call EdDSA', 'call RS256', 'session HS256']

  async function rotateUntilKilled(server: DevServer, acknowledged: string[]): Promise<void> {
    try {
      for (;;) {
        const { changed } = (await ask(server, 'POST', '/admin/keys/rotate', { purpose: 'call' })) as {
          changed: KeyRow[]
        }
        acknowledged.push(changed.find((key) => key.state === 'active')?.kid ?? '')
      }
    } catch (error) {
      // A connection that broke is what a kill looks like; a refusal would be a fault.
      if (!(error instanceof TypeError)) throw error
    }
  }

  async function findActive(server: DevServer): Promise<string> {
    const keys = await listKeys(server)
    return keys.find((key) => key.state === 'active' && key.alg === 'ES256')?.kid ?? ''
  }

  async function listKeys(server: DevServer): Promise<KeyRow[]> {
    return (await ask(server, 'GET', '/admin/keys')) as KeyRow[]
  }

  async function ask(
    { url, env }: DevServer,
    method: string,
    target: string,
    json?: object,
  ): Promise<unknown> {
    const response = await fetch(`${url}${target}`, {
      method,
      headers: { authorization: `Bearer ${env['AUTHSEC_TOKEN']}`, 'content-type': 'application/json' },
      ...(json && { body: JSON.stringify(json) }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${target} answered ${response.status}: ${text}`)
    return JSON.parse(text)
  }
})

describe('a verifier that keeps the key set for its max-age', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer({
      keyTimings: { publishSeconds: 30, rotateSeconds: 30, maxCallTtl: 20, skewSeconds: 0 },
    })
  })
  afterAll(() => server.close())

  test('sees no unknown key id while keys rotate under load, and none of a live token goes', async ({
    annotate,
  }) => {
    const seed = chooseSeed()
    await annotate(`AUTHSEC_STRESS_SEED=${seed}`)
    const random = createRandom(seed)
    const alive: { kid: string; exp: number }[] = []
    const signers = new Set<string>()
    let cache = await fetchKeySet(server)
    let rotations = 0

    while (rotations < countRounds(4, 5)) {
      server.now += Math.floor(random() * 9_000)
      if (server.now - cache.at >= cache.maxAge * 1000) cache = await fetchKeySet(server)
      const exchanges = Array.from({ length: 4 }, () => server.exchange())
      const rotation = server.call('POST', '/admin/keys/rotate', { json: { purpose: 'call' }, admin: true })
      exchanges.push(...Array.from({ length: 4 }, () => server.exchange()))
      const { status } = await rotation
      expect([200, 409]).toContain(status)
      if (status === 200) rotations++

      for (const reply of await Promise.all(exchanges)) {
        // A key that was replaced while it signed is no reason to refuse.
        expect(reply.status).toBe(200)
        const { kid = '' } = decodeProtectedHeader(reply.json.access_token)
        expect(cache.kids).toContain(kid)
        signers.add(kid)
        alive.push({ kid, exp: decodeJwt(reply.json.access_token).exp ?? 0 })
      }
      const published = (await fetchKeySet(server)).kids
      for (const { kid, exp } of alive) if (exp * 1000 > server.now) expect(published).toContain(kid)
    }
    expect(signers.size).toBeGreaterThanOrEqual(rotations)
  })

  async function fetchKeySet({ call, now }: TestServer) {
    const reply = await call('GET', '/oauth/jwks')
    const maxAge = Number(/max-age=(\d+)/.exec(String(reply.headers['cache-control']))?.[1])
    expect(maxAge).toBe(15)
    return { at: now, maxAge, kids: reply.json.keys.map(({ kid }: { kid: string }) => kid) as string[] }
  }
})
