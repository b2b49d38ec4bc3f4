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
  test('shows no revoked key and signs nothing with it when it goes on, and the log of both is whole', async () => {
    const [going, paused] = [await serve(), await serve()]
    const loads = [
      await startMinting([going.url], going.clientId, { callers: 1 }),
      await startMinting([paused.url], paused.clientId, { callers: 4 }),
    ]
    const body = new URLSearchParams({
      ...exchangeForm(paused.clientId),
      subject_token: await pull(paused.url, paused.clientId),
    })
    const exchange = () => fetch(`${paused.url}/oauth/token`, { method: 'POST', body })
    const readKeys = async (reply: Response) =>
      ((await reply.json()) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid)
    const revoked = await readKid(await exchange())
    await Promise.all(loads.map((load) => load.issued(20)))

    process.kill(paused.pid, 'SIGSTOP')
    try {
      // Taken by the system meanwhile, they are the first that it answers.
      const asked = Promise.allSettled(
        Array.from({ length: 10 }, () => [fetch(`${paused.url}/oauth/jwks`), exchange()]).flat(),
      )
      await revoke(going, revoked)
      while ((await store.replicas.listLive()).length > 1) await delay(100)
      process.kill(paused.pid, 'SIGCONT')
      // A connection that was kept alive is closed by then.
      const replies = (await asked).flatMap((outcome) =>
        outcome.status === 'fulfilled' ? outcome.value : [],
      )
      expect(replies.length).toBeGreaterThan(10)
      for (const reply of replies) {
        if (reply.status === 503) continue
        expect(reply.status).toBe(200)
        if (reply.url.endsWith('/jwks')) expect(await readKeys(reply)).not.toContain(revoked)
        else expect(await readKid(reply)).not.toBe(revoked)
      }
    } finally {
      process.kill(paused.pid, 'SIGCONT')
    }
    while ((await fetch(`${paused.url}/readyz`)).status !== 200) await delay(50)
    expect(await readKeys(await fetch(`${paused.url}/oauth/jwks`))).not.toContain(revoked)
    expect(await readKid(await exchange())).not.toBe(revoked)
    for (const load of loads) await stopCut(load)
    await expectWhole(
      going,
      loads.flatMap(({ tokens }) => tokens),
    )
  })
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

// A hundred in `npm run test:stress`, ten times as many as it says.
const ROUNDS = Math.ceil(countRounds(0.1) * 10)
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

function revoke(server: DevServer, kid: string): Promise<unknown> {
  return ask(server, `/admin/keys/${kid}/revoke`)
}

// biome-ignore lint/suspicious/noExplicitAny: an answer is whatever the server says; the tests look closer.
async function ask({ url, env }: DevServer, target: string): Promise<any> {
  const headers = { authorization: `Bearer ${env['AUTHSEC_TOKEN']}` }
  const response = await fetch(`${url}${target}`, { method: 'POST', headers })
  const text = await response.text()
  if (!response.ok) throw new Error(`${target} answered ${response.status}: ${text}`)
  return JSON.parse(text)
}
