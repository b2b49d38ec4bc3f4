import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { calculateJwkThumbprint, type JWK } from 'jose'
import { beforeAll, describe, expect, test } from 'vitest'
import { createEnvelope } from '../../src/authority/envelope.js'
import { openKekFile } from '../../src/authority/kek.js'
import { formatJwk, generateKey } from '../../src/authority/key-files.js'
import { loadKey } from '../../src/authority/key-making.js'
import { AuthsecError } from '../../src/core/errors.js'
import { startServer } from '../../src/server/index.js'
import { reindex } from '../../src/server/reindex.js'
import { rewrap } from '../../src/server/rewrap.js'
import { openStore } from '../../src/store/open.js'
import { makeDirectory, runCli } from '../support/run-cli.js'
import { startTestServer, type TestServer } from '../support/running-server.js'

const newState = async () => join(await makeDirectory(), 'state')

const kidsOf = async (server: TestServer): Promise<string[]> =>
  (await server.call('GET', '/oauth/jwks')).json.keys.map(({ kid }: JWK) => kid)
const bundleOf = async (server: TestServer): Promise<JWK[]> =>
  (await server.call('GET', `/v1/jwt/bundle?tenant_id=${server.tenantId}`)).json.keys
const listKeys = async (server: TestServer) =>
  (await server.call('GET', '/admin/keys', { admin: true })).json as { kid: string; purpose: string }[]

describe('keys that end with the run', () => {
  test('are others at every start, take every token with them, and leave the log its own', async () => {
    const state = await newState()
    const first = await startTestServer({ state, keys: 'ephemeral' })
    const before = await listKeys(first)
    const base = await first.pull()
    const issued = (await first.exchange({ subject_token: base })).json.access_token
    await first.close()

    const second = await startTestServer({ state, keys: 'ephemeral' })
    const after = await listKeys(second)
    const kept = after.filter(({ kid }) => before.some((key) => key.kid === kid))
    expect(kept.map(({ purpose }) => purpose)).toEqual(['audit'])
    expect(after.map(({ purpose }) => purpose).sort()).toEqual(before.map(({ purpose }) => purpose).sort())
    expect((await second.exchange({ subject_token: base })).status).toBe(400)
    const form = { token: issued, client_id: second.clientId }
    const asked = await second.call('POST', '/oauth/introspect', { admin: true, form })
    expect(asked.json).toEqual({ active: false })
    // The same delegation, signed anew.
    expect((await second.exchange()).status).toBe(200)
    await second.close()

    const third = await startTestServer({ state })
    expect((await listKeys(third)).filter(({ kid }) => after.some((key) => key.kid === kid))).toHaveLength(1)
    const kids = await kidsOf(third)
    expect((await third.exchange()).status).toBe(200)
    await third.close()
    const fourth = await startTestServer({ state })
    expect(await kidsOf(fourth)).toEqual(kids)
    await fourth.close()
  })

  test('lie in the state as nothing that anybody can open, whatever ended the run', async () => {
    const state = await newState()
    const server = await startTestServer({ state, keys: 'ephemeral' })
    const { tenantId } = server
    await server.close()
    const store = await openStore(join(state, 'authsec.db'))
    const envelope = createEnvelope(openKekFile(join(state, 'kek'), false), tenantId)
    const stored = await store.keys.list()
    await store.close()
    expect(stored.length).toBeGreaterThan(5)
    for (const key of stored) {
      if (key.purpose === 'audit') expect(loadKey(key, envelope).kid).toBe(key.kid)
      else expect(() => loadKey(key, envelope)).toThrow(`the ${key.purpose} key`)
    }
    // Which is no reason not to change the key-encryption key.
    await rewrap({ state })
    // That was recorded at the time that it is.
    const again = await startTestServer({ state, clock: Date.now })
    expect((await again.exchange()).status).toBe(200)
    await again.close()
  })

  test('are refused where a state has keys of its own, which would be gone for good', async () => {
    const state = await newState()
    const first = await startTestServer({ state })
    const kids = await kidsOf(first)
    await first.close()
    const refused = await startServer({ state, port: 0, keys: 'ephemeral' }).catch((error) => error)
    expect(refused).toMatchObject({
      code: 'conflict',
      message: 'this state has keys of its own, and ephemeral ones would replace them for good',
      hint: 'Name a new state with --state, keep none with --ephemeral, or leave --keys out.',
    })
    const second = await startTestServer({ state })
    expect(await kidsOf(second)).toEqual(kids)
    await second.close()
  })

  test('stay refused in a state that has had its own since, and allowed while a command works on it', async () => {
    const state = await newState()
    await (await startTestServer({ state, keys: 'ephemeral', clock: Date.now })).close()
    await reindex({ state })
    await (await startTestServer({ state, keys: 'ephemeral', clock: Date.now })).close()
    await (await startTestServer({ state, clock: Date.now })).close()
    await expect(startServer({ state, port: 0, keys: 'ephemeral' })).rejects.toMatchObject({
      code: 'conflict',
    })
  })

  test('are not for a database, whose servers share theirs', async () => {
    const place = { store: 'postgres://authsec@127.0.0.1:1/authsec', allowDevPostgres: true }
    await expect(startServer({ ...place, keys: 'ephemeral' })).rejects.toMatchObject({ code: 'usage' })
  })
})

describe('keys that are imported', () => {
  const made: Record<'ES256' | 'RS256' | 'base' | 'audit' | 'next', JWK> = {} as never
  beforeAll(async () => {
    made.ES256 = formatJwk(await generateKey('ES256'), 'private')
    made.RS256 = formatJwk(await generateKey('RS256'), 'private')
    made.base = formatJwk({ ...(await generateKey('RS256')), purpose: 'base' }, 'private')
    made.audit = formatJwk({ ...(await generateKey('EdDSA')), purpose: 'audit' }, 'private')
    made.next = formatJwk({ ...(await generateKey('ES256')), state: 'prepared' }, 'private')
  })
  const setOf = (...keys: JWK[]) => ({ keys: { import: JSON.stringify({ keys }) } })

  test('sign in every new state, each for its purpose, and are published without their private part', async () => {
    for (const state of [':memory:', await newState()]) {
      const server = await startTestServer({ state, ...setOf(...Object.values(made)) })
      const kids = await kidsOf(server)
      expect(kids.slice(0, 2)).toEqual([made.ES256.kid, made.RS256.kid])
      expect(made.ES256.kid).toBe(await calculateJwkThumbprint(made.ES256))
      const [bundled, ...more] = await bundleOf(server)
      expect([bundled?.n, more]).toEqual([made.base.n, []])
      const known = (await listKeys(server)).map(({ kid }) => kid)
      expect(known).toEqual(expect.arrayContaining(Object.values(made).map(({ kid }) => kid)))
      for (const path of ['/oauth/jwks', `/v1/jwt/bundle?tenant_id=${server.tenantId}`]) {
        const { keys } = (await server.call('GET', path)).json
        for (const key of keys)
          for (const member of ['d', 'p', 'q', 'k']) expect(key).not.toHaveProperty(member)
      }
      expect((await server.exchange()).status).toBe(200)
      // No other is prepared than the one that is to be the next.
      server.now += 660_000
      const rotate = { admin: true, json: { purpose: 'call' } }
      expect((await server.call('POST', '/admin/keys/rotate', rotate)).status).toBe(200)
      expect((await kidsOf(server))[0]).toBe(made.next.kid)
      await server.close()
    }
  })

  test('stay what has become of them in a state that knows them, and are refused by one that has others', async () => {
    const state = await newState()
    const keyTimings = { publishSeconds: 0 }
    const first = await startTestServer({ state, keyTimings, ...setOf(made.ES256) })
    const rotate = { admin: true, json: { purpose: 'call' } }
    expect((await first.call('POST', '/admin/keys/rotate', rotate)).status).toBe(200)
    const kids = await kidsOf(first)
    expect(kids.indexOf(made.ES256.kid ?? '')).toBeGreaterThan(0)
    await first.close()
    const second = await startTestServer({ state, keyTimings, ...setOf(made.ES256) })
    expect(await kidsOf(second)).toEqual(kids)
    await second.close()
    await expect(startServer({ state, port: 0, ...setOf(made.RS256) })).rejects.toMatchObject({
      code: 'conflict',
      message: `this state has other call RS256 keys than ${made.RS256.kid}`,
    })
    const third = await startTestServer({ state, keyTimings, keys: 'persistent' })
    expect(await kidsOf(third)).toEqual(kids)
    await third.close()
  })

  test.each<{ what: string; keys: () => unknown[]; code: string; message: RegExp }>([
    {
      what: 'without a private part',
      keys: () => [{ ...made.ES256, d: undefined }],
      code: 'usage',
      message: /no private part/,
    },
    {
      what: 'two for one set',
      keys: () => [made.RS256, { ...made.base, authsec_purpose: undefined }],
      code: 'usage',
      message: /two call RS256 keys/,
    },
    {
      what: 'two that are to be the next',
      keys: () => [made.ES256, made.next, { ...made.next, kid: undefined }],
      code: 'usage',
      message: /two prepared call ES256 keys/,
    },
    {
      what: 'prepared without one that signs',
      keys: () => [made.RS256, made.next],
      code: 'usage',
      message: /no call ES256 key is imported that signs/,
    },
    {
      what: 'in a state in which no key begins',
      keys: () => [{ ...made.ES256, authsec_state: 'retired' }],
      code: 'usage',
      message: /cannot be imported as "retired"/,
    },
    {
      what: 'for a purpose that does not exist',
      keys: () => [{ ...made.ES256, authsec_purpose: 'mail' }],
      code: 'usage',
      message: /no keys of the purpose "mail"/,
    },
    {
      what: 'for sessions',
      keys: () => [{ ...made.ES256, authsec_purpose: 'session' }],
      code: 'usage',
      message: /no keys of the alg "ES256"/,
    },
    {
      what: 'with a purpose that is no text',
      keys: () => [{ ...made.ES256, authsec_purpose: 1 }],
      code: 'key_malformed',
      message: /authsec_purpose is no text/,
    },
  ])('are refused $what', async ({ keys, code, message }) => {
    const text = JSON.stringify({ keys: keys() })
    const error = await startServer({ state: ':memory:', port: 0, keys: { import: text } }).catch((e) => e)
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) })
    expect(JSON.stringify(error)).not.toContain(made.ES256.d)
  })

  test('come from a file that the command names', async () => {
    const file = join(await makeDirectory(), 'keys.json')
    writeFileSync(file, JSON.stringify(made.ES256))
    const keyboard = new AbortController()
    let kids: Promise<string[]> | undefined
    const run = await runCli(
      ['dev', 'serve', '--ephemeral', '--port', '0', '--json', `--keys=import=${file}`],
      {
        signal: keyboard.signal,
        onOutput(stdout) {
          kids ??= fetch(`${JSON.parse(stdout).url}/oauth/jwks`)
            .then((reply) => reply.json() as Promise<{ keys: JWK[] }>)
            .then(({ keys }) => keys.map(({ kid = '' }) => kid))
            .finally(() => keyboard.abort(new AuthsecError('interrupted', 'interrupted')))
        },
      },
    )
    expect(run.code).toBe(130)
    expect((await kids)?.[0]).toBe(made.ES256.kid)
  })

  test.each([
    ['--keys=new', '"new" is not where keys come from'],
    ['--keys=import=', '"import=" is not where keys come from'],
  ])('are not asked for by %s', async (flag, says) => {
    const run = await runCli(['dev', 'serve', '--ephemeral', flag])
    expect([run.code, run.stderr]).toEqual([2, expect.stringContaining(says)])
  })
})
