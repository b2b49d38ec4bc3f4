import { createPublicKey, type KeyObject } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { makeDirectory, runCli } from '../../../support/run-cli.js'
import { noConnection, stubServer } from '../../../support/stub-server.js'
import {
  BASE_KEY,
  BILLING,
  CALL_KEY,
  createKey,
  ISSUED_AT,
  ISSUER,
  issuerRoutes,
  signBase,
  signCall,
  TENANT,
} from '../../../support/token-issuer.js'

const METADATA = 'GET /.well-known/oauth-authorization-server'
const CLOCK = { now: () => ISSUED_AT }

/** By the keys of a server that answers like this. */
function verify(token: string, routes: Parameters<typeof stubServer>[0], env = {}) {
  const { fetch } = stubServer({ ...issuerRoutes(), ...routes })
  return runCli(['token', 'verify'], {
    env: { AUTHSEC_SERVER: ISSUER, ...env },
    stdin: token,
    clock: CLOCK,
    fetch,
  })
}

describe('what authsec token verify trusts', () => {
  test.each([
    { why: 'nobody answers', routes: { [METADATA]: noConnection() }, code: 20 },
    { why: 'the answer is a page', routes: { [METADATA]: new Response('<html>') }, code: 21 },
    {
      why: 'the keys cannot be had',
      routes: { 'GET /oauth/jwks': new Response('', { status: 500 }) },
      code: 21,
    },
  ])('says nothing about the token when $why', async ({ routes, code }) => {
    expect(await verify(signCall(), routes)).toMatchObject({ code, stdout: '' })
  })

  describe('offline', () => {
    async function keyFile(content: unknown): Promise<string> {
      const file = join(await makeDirectory(), 'keys.json')
      await writeFile(file, JSON.stringify(content))
      return file
    }

    test.each([
      { what: 'a key set', content: { keys: [CALL_KEY.jwk] } },
      { what: 'one key', content: CALL_KEY.jwk },
    ])('believes $what in a file for one issuer', async ({ content }) => {
      const args = ['--issuer', ISSUER, '--jwks', await keyFile(content), '--audience', BILLING]
      const run = await runCli(['token', 'verify', ...args], { clock: CLOCK, stdin: signCall() })
      expect(run).toMatchObject({ code: 0, stderr: '' })
    })

    test('believes the key of a tenant for base tokens', async () => {
      const args = ['--typ', 'JWT', '--jwks', await keyFile({ keys: [BASE_KEY.jwk] })]
      const run = await runCli(['token', 'verify', ...args], {
        clock: CLOCK,
        stdin: signBase(),
        env: { AUTHSEC_TENANT: TENANT },
      })
      expect(run).toMatchObject({ code: 0, stderr: '' })
    })

    test.each([
      {
        why: 'keys have no issuer',
        args: ['--jwks', 'KEYS'],
        content: { keys: [] },
        code: 2,
        stderr: /--jwks needs --issuer/,
      },
      {
        why: 'the file is no key set',
        args: ['--issuer', ISSUER, '--jwks', 'KEYS'],
        content: {},
        code: 2,
        stderr: /is not a key set/,
      },
      {
        why: 'the file holds no JSON object',
        args: ['--issuer', ISSUER, '--jwks', 'KEYS'],
        content: 1,
        code: 2,
        stderr: /is not a JSON object/,
      },
      {
        why: 'there is no file',
        args: ['--issuer', ISSUER, '--jwks', '/nowhere/keys.json'],
        content: {},
        code: 6,
        stderr: /there is no file/,
      },
      {
        why: 'a server is named too',
        args: ['--issuer', ISSUER, '--server', ISSUER],
        content: {},
        code: 2,
        stderr: /--server is given together with/,
      },
    ])('is refused when $why', async ({ args, content, code, stderr }) => {
      const file = await keyFile(content)
      const run = await runCli(['token', 'verify', ...args.map((arg) => (arg === 'KEYS' ? file : arg))], {
        stdin: signCall(),
      })
      expect(run).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(stderr) })
    })
  })

  test('takes the server of --issuer at its word only for itself', async () => {
    const routes = {
      [METADATA]: {
        issuer: 'https://evil.example',
        jwks_uri: 'https://evil.example/keys',
        authsec_tenant: 't',
      },
    }
    const { fetch } = stubServer({ ...issuerRoutes(), ...routes })
    const run = await runCli(['token', 'verify', '--issuer', 'https://auth.example'], {
      stdin: signCall({ iss: 'https://auth.example' }),
      fetch,
    })
    expect(run).toMatchObject({
      code: 21,
      stdout: '',
      stderr: expect.stringContaining('is not on https://auth.example'),
    })
  })

  test.each([{ args: [] }, { args: ['--tool', 'refund', '--online'] }, { args: ['--typ', 'at+jwt'] }])(
    'asks nobody about a token that is plainly not of the issuer named, with $args',
    async ({ args }) => {
      const { fetch, calls } = stubServer({})
      const run = await runCli(['token', 'verify', '--issuer', 'https://auth.example', ...args], {
        clock: CLOCK,
        stdin: signCall(),
        fetch,
      })
      expect(run).toMatchObject({
        code: 14,
        stdout: expect.stringMatching(/- +signature +the token is of another issuer/),
        stderr: expect.stringContaining(`the issuer is "${ISSUER}", not "https://auth.example"`),
      })
      expect(calls).toEqual([])
    },
  )

  test.each([
    {
      why: 'an error',
      metadata: { error: 'It is\u001b[2J asleep' },
      says: 'an error to /.well-known/oauth-authorization-server: It is\\u001b[2J asleep',
    },
    { why: 'nothing', metadata: {}, says: 'name no issuer' },
    { why: 'a number', metadata: { issuer: 5 }, says: 'name no issuer' },
  ])('says so where a server answers $why about itself', async ({ metadata, says }) => {
    const env = { AUTHSEC_SERVER: ISSUER, AUTHSEC_TENANT: TENANT }
    const run = await verify(signCall(), { [METADATA]: metadata }, env)
    expect(run).toMatchObject({ code: 21, stdout: '', stderr: expect.stringContaining(says) })
  })

  test('believes no base token of a server that names no tenant', async () => {
    const routes = { [METADATA]: { issuer: ISSUER, jwks_uri: `${ISSUER}/oauth/jwks` } }
    expect(await verify(signCall(), routes)).toMatchObject({ code: 0 })
    expect(await verify(signBase(), routes)).toMatchObject({ code: 14 })
  })

  describe('--key', () => {
    const pem = (key: KeyObject) => createPublicKey(key).export({ type: 'spki', format: 'pem' }) as string

    test.each([
      { what: 'PEM', content: pem(CALL_KEY.privateKey), token: signCall(), code: 0 },
      {
        what: 'a JWK of another name',
        content: { ...CALL_KEY.jwk, kid: 'other' },
        token: signCall(),
        code: 0,
      },
      { what: 'the key of the tenant', content: pem(BASE_KEY.privateKey), token: signBase(), code: 0 },
      {
        what: 'the key of a stranger',
        content: pem(createKey('ES256').privateKey),
        token: signCall(),
        code: 13,
      },
      { what: 'the private JWK', content: { ...CALL_KEY.jwk, d: 'AA' }, token: signCall(), code: 0 },
      { what: 'a shared secret', content: { kty: 'oct', k: 'AAAA' }, token: signCall(), code: 2 },
      { what: 'a key set', content: { keys: [CALL_KEY.jwk] }, token: signCall(), code: 2 },
      { what: 'PEM that is none', content: '-----BEGIN PUBLIC KEY-----\nAAAA\n', token: signCall(), code: 2 },
      { what: 'no key at all', content: {}, token: signCall(), code: 2 },
    ])('with $what is $code', async ({ content, token, code }) => {
      const file = join(await makeDirectory(), 'key')
      await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content))
      const run = await runCli(['token', 'verify', '-', '--key', file, '--audience', BILLING], {
        clock: CLOCK,
        stdin: token,
      })
      expect(run).toMatchObject({ code })
      if (code === 0) expect(run.stdout).toMatch(/issuer +NOT CHECKED, because --issuer is not given/)
      if (code === 2) expect(run.stdout).toBe('')
    })

    test('still holds the token to the issuer that is named', async () => {
      const file = join(await makeDirectory(), 'key')
      await writeFile(file, pem(CALL_KEY.privateKey))
      const args = ['token', 'verify', '-', '--key', file, '--issuer', 'https://other.example']
      expect(await runCli(args, { clock: CLOCK, stdin: signCall() })).toMatchObject({ code: 14 })
    })
  })
})
