import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { parseJwt } from '../../src/core/jwt.js'
import { openStore } from '../../src/store/open.js'
import type { Store } from '../../src/store/store.js'
import { type DevServer, openShell, type Shell } from '../e2e/shell.js'
import { expectRecorded, followTokens, type MintLoad, pull, startMinting } from '../support/mint-load.js'
import { makePostgresSchema, type PostgresSchema } from '../support/postgres-schema.js'
import { runCli } from '../support/run-cli.js'
import { exchangeForm } from '../support/running-server.js'
import { chooseSeed, countRounds, createRandom } from './rounds.js'

/** The shortest lease but for a little: a server stops by itself five seconds before the others give it up. */
const LEASE = '8s'

let shell: Shell
let schema: PostgresSchema
let store: Store
let place: string[]
beforeAll(() => {
  shell = openShell()
})
afterAll(() => shell.close())
beforeEach(async () => {
  schema = await makePostgresSchema()
  store = await openStore(schema.url)
  const [kek, address] = ['kek', 'store'].map((name) => path.join(shell.directory, name))
  writeFileSync(String(kek), Buffer.alloc(32, 7).toString('base64'), { mode: 0o600 })
  writeFileSync(String(address), schema.url, { mode: 0o600 })
  place = ['--allow-dev-postgres', '--store-file', String(address), '--kek-file', String(kek)]
})
const servers: DevServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop('SIGKILL')
  await store.close()
  await schema.drop()
})

async function serve(): Promise<DevServer> {
  const server = await shell.serve([...place, '--lease', LEASE, '--publish-ahead', '0s'])
  servers.push(server)
  return server
}

describe('a server that is paused until the others have given it up', () => {
  test('shows and signs nothing until it has acknowledged the keys anew, and the log of both is whole', async () => {
    const going = await serve()
    const [other] = await store.replicas.listLive()
    const paused = await serve()
    const bootId = await findOther(other?.bootId)
    const loads = [
      await startMinting([going.url], going.clientId, { callers: 1 }),
      await startMinting([paused.url], paused.clientId, { callers: 4 }),
    ]
    const body = new URLSearchParams({
      ...exchangeForm(paused.clientId),
      subject_token: await pull(paused.url, paused.clientId),
    })
    const askBoth = () => [
      fetch(`${paused.url}/oauth/jwks`),
      fetch(`${paused.url}/oauth/token`, { method: 'POST', body }),
    ]
    await Promise.all(loads.map((load) => load.issued(20)))
    const [former, revoked] = [await findActive('ES256'), await findActive('RS256')]

    process.kill(paused.pid, 'SIGSTOP')
    try {
      // Taken by the system meanwhile, they are the first that it answers.
      const asked = Promise.allSettled(Array.from({ length: 10 }, askBoth).flat())
      while ((await store.replicas.listLive()).length > 1) await delay(100)
      // A key that still verifies: nothing but the lease keeps the paused server from signing with it.
      await ask(going, '/admin/keys/rotate', { purpose: 'call', alg: 'ES256' })
      await ask(going, `/admin/keys/${revoked}/revoke`)
      await refuseLease(bootId)
      process.kill(paused.pid, 'SIGCONT')
      // A connection that was kept alive is closed by then.
      const first = (await asked).flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value : []))
      expect(first.length).toBeGreaterThan(10)
      for (const reply of [...first, ...(await Promise.all(askBoth()))]) expect(reply.status).toBe(503)
    } finally {
      process.kill(paused.pid, 'SIGCONT')
    }
    // Whatever else it needs is there, and it has had the time to read the keys of today.
    await loads[0]?.issued(20)
    for (const reply of await Promise.all(askBoth())) {
      expect([reply.status, await reply.text()]).toEqual([503, expect.stringContaining('lost touch')])
    }
    const readiness = await (await fetch(`${paused.url}/readyz`)).json()
    expect(readiness).toMatchObject({ checks: { store: 'ok', lease: expect.stringContaining('lost touch') } })

    await allowLease()
    const isAnswered = [false, false]
    while (isAnswered.includes(false)) {
      const [keySet, token] = (await Promise.all(askBoth())) as [Response, Response]
      const revision = await store.keys.revision()
      for (const [index, { status }] of [keySet, token].entries()) {
        if (status === 503) continue
        expect(status).toBe(200)
        isAnswered[index] = true
        const live = await store.replicas.listLive()
        expect(live.find((replica) => replica.bootId === bootId)).toMatchObject({ keyRevision: revision })
      }
      if (keySet.ok) expect(await keySet.text()).not.toContain(revoked)
      if (token.ok) expect(await readKid(token)).not.toBe(former)
    }
    for (const load of loads) await stopCut(load)
    await expectWhole(
      going,
      loads.flatMap(({ tokens }) => tokens),
    )
  })

  async function findOther(known: string | undefined): Promise<string> {
    const other = (await store.replicas.listLive()).find(({ bootId }) => bootId !== known)
    return String(other?.bootId)
  }

  async function findActive(alg: string): Promise<string> {
    const keys = await store.keys.list()
    const active = keys.find((key) => key.purpose === 'call' && key.alg === alg && key.state === 'active')
    return String(active?.kid)
  }

  /** Lets a server do everything but renew its lease, until `allowLease`. */
  async function refuseLease(bootId: string): Promise<void> {
    await schema.run(`create function refuse() returns trigger language plpgsql as $$
      begin raise exception 'held by the test'; end $$`)
    await schema.run(`create trigger held before insert or update on replicas
      for each row when (new.boot_id = '${bootId}') execute function refuse()`)
  }

  async function allowLease(): Promise<void> {
    await schema.run('drop trigger held on replicas')
  }
})

describe('a key that is tainted on one server', () => {
  test('signs nothing more on any of them, and what it signed is listed', async () => {
    const [one, other] = [await serve(), await serve()]
    const load = await startMinting([one.url, other.url], one.clientId)
    await load.issued(40)
    const kid = String(parseJwt(load.tokens.at(-1) ?? '').header['kid'])
    const { live_tokens: live } = await ask(one, `/admin/keys/${kid}/taint`)
    const [known, before] = [new Set(live.map(({ jti }: { jti: string }) => jti)), load.tokens.length]
    // As many answers as there are callers may have been under way.
    await load.issued(60)
    await load.stop()
    const signers = load.tokens.slice(before + 8).map((token) => parseJwt(token).header['kid'])
    expect(signers).not.toContain(kid)
    const log = (await store.audit.search({ limit: 1_000_000 })).map(({ record }) => JSON.parse(record))
    const tainted = log.findIndex(({ type }) => type === 'key.tainted')
    const isIssued = (event: { type: string; outcome: string; kid?: string }) =>
      event.type === 'token.exchanged' && event.outcome === 'allow' && event.kid === kid
    expect(log.slice(tainted).filter(isIssued)).toEqual([])
    const issued = log.slice(0, tainted).filter(isIssued)
    expect(issued.length).toBeGreaterThan(0)
    for (const { jti } of issued) expect(known).toContain(jti)
  })
})

const ROUNDS = countRounds(1, 10)
// Those in which a server is not killed but sleeps past its lease, which takes as long as that.
const PAUSES = 0.05
// What is wrong with a log stays wrong, and to verify all of it takes longer than the rest of a round.
const VERIFY_EVERY = 10

describe('two servers that issue tokens into one log', () => {
  // A minute for each of its own rounds, and one to begin.
  const timeout = 60_000 * (1 + ROUNDS)
  const name = 'number it without a gap, and lose nothing when either of them is killed or sleeps'
  test(name, { timeout }, async ({ annotate }) => {
    const seed = chooseSeed()
    await annotate(`AUTHSEC_STRESS_SEED=${seed}`)
    const random = createRandom(seed)
    const log = followTokens(store)
    let [doomed, steady] = [await serve(), await serve()]
    for (let round = 1; round <= ROUNDS; round++) {
      // Whichever signs the log just now.
      if (random() < 0.5) [doomed, steady] = [steady, doomed]
      const loads = [
        await startMinting([steady.url], steady.clientId, { callers: 4 }),
        await startMinting([doomed.url], doomed.clientId, { callers: 4 }),
      ] as const
      await Promise.all(loads.map((load) => load.issued(10)))
      await delay(random() * 200)
      const isKilled = random() >= PAUSES
      if (isKilled) await doomed.stop('SIGKILL')
      else process.kill(doomed.pid, 'SIGSTOP')
      await loads[0].issued(20)
      await stopCut(loads[0])
      if (isKilled) doomed = await serve()
      else await wakeLate(doomed)
      await stopCut(loads[1])
      await log.expectRecorded(loads.flatMap(({ tokens }) => tokens))
      if (round % VERIFY_EVERY === 0 || round === ROUNDS) await expectVerified(steady)
    }
  })
})

/** Lets a server go on once the others have given it up, and waits until it has noticed that. */
async function wakeLate({ pid, url }: DevServer): Promise<void> {
  while ((await store.replicas.listLive()).length > 1) await delay(100)
  process.kill(pid, 'SIGCONT')
  while ((await fetch(`${url}/readyz`)).status !== 200) await delay(50)
}

// A connection that broke is what a kill looks like, and a long pause too.
async function stopCut(load: MintLoad): Promise<void> {
  await load.stop().catch((error) => expect(error).toBeInstanceOf(TypeError))
}

/** Expects a log that holds every token once, without a gap, and that `authsec audit verify` has nothing against. */
async function expectWhole(server: DevServer, tokens: readonly string[]): Promise<void> {
  await expectRecorded(store, tokens)
  await expectVerified(server)
}

async function expectVerified({ env }: DevServer): Promise<void> {
  const { code, stdout, stderr } = await runCli(['audit', 'verify', '--require', 'linked'], {
    env,
    fetch: globalThis.fetch,
    clock: { now: Date.now },
  })
  expect(`${code} ${stdout} ${stderr}`).toMatch(/^0 /)
}

test('a server under another key-encryption key does not join, and changes nothing', async () => {
  await serve()
  const other = path.join(shell.directory, 'other-kek')
  writeFileSync(other, Buffer.alloc(32, 8).toString('base64'), { mode: 0o600 })
  const listKeys = async () =>
    (await store.keys.list()).map(({ kid, state, sealedJwk }) => ({ kid, state, sealedJwk }))
  const keys = await listKeys()
  const refused = await shell.run(['dev', 'serve', '--port', '0', ...place.slice(0, -1), other])
  expect(refused.code).toBe(7)
  expect(refused.stderr).toMatch(/the key-encryption key \w+ is another one: this state is sealed with/)
  expect(refused.stderr).toContain('--kek-file')
  expect(await listKeys()).toEqual(keys)
})

async function readKid(reply: Response): Promise<string> {
  const text = await reply.text()
  if (!reply.ok) throw new Error(`the answer was ${reply.status}: ${text}`)
  return String(parseJwt(JSON.parse(text).access_token).header['kid'])
}

// biome-ignore lint/suspicious/noExplicitAny: an answer is whatever the server says; the tests look closer.
async function ask({ url, env }: DevServer, target: string, json?: object): Promise<any> {
  const headers = { authorization: `Bearer ${env['AUTHSEC_TOKEN']}`, 'content-type': 'application/json' }
  const body = json && JSON.stringify(json)
  const response = await fetch(`${url}${target}`, { method: 'POST', headers, ...(body && { body }) })
  const text = await response.text()
  if (!response.ok) throw new Error(`${target} answered ${response.status}: ${text}`)
  return JSON.parse(text)
}
