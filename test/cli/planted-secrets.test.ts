import { generateKeyPairSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { makeDirectory, NOW, runCli } from '../support/run-cli.js'
import { openHunt } from '../support/secret-hunt.js'
import { CLIENT_ID, noConnection, TENANT } from '../support/stub-server.js'
import { signBase, signCall } from '../support/token-issuer.js'

const SERVER = 'https://authsec.example'
const GITHUB = 'https://actions.example/idtoken?api-version=2'
const BILLING = 'https://billing.example'
const PASSWORD = 'hunter-2 "pä+ss\\%41&<x>\''
const DEVICE_CODE = 'device-c0de "ü" 50%+\\'
const REQUEST_TOKEN = 'planted+request/token=of-a-job'
const SESSION = 'planted-session-of-an-admin'
const IDENTITY = signCall({ jti: 'identity-of-a-job' })
const BASE = signBase({ jti: 'base-of-an-agent' })

/** What is asked first and goes well, by the end of its address. */
type Friendly = Readonly<Record<string, () => object>>

const CODE: Friendly = {
  '/auth/device/code': () => ({
    device_code: DEVICE_CODE,
    user_code: 'ABCD-EFGH',
    verification_uri: `${SERVER}/activate`,
    expires_in: 60,
  }),
}
const METADATA: Friendly = {
  '/oauth-authorization-server': () => ({
    issuer: SERVER,
    jwks_uri: `${SERVER}/oauth/jwks`,
    authsec_tenant: TENANT,
    authsec_call_tokens: {},
  }),
}
const GITHUB_ANSWER: Friendly = { '/idtoken': () => ({ value: IDENTITY }) }
const PULL: Friendly = {
  ...METADATA,
  '/sdk/delegation-token': () => ({
    token: BASE,
    client_id: CLIENT_ID,
    spiffe_id: `spiffe://${TENANT}/agents/x`,
    permissions: ['billing:read'],
    audience: [BILLING],
    expires_at: new Date(NOW + 3_600_000).toISOString(),
  }),
}
const GITHUB_JOB = {
  GITHUB_ACTIONS: '',
  ACTIONS_ID_TOKEN_REQUEST_URL: GITHUB,
  ACTIONS_ID_TOKEN_REQUEST_TOKEN: REQUEST_TOKEN,
}

interface Case {
  args: readonly string[]
  stdin?: string
  env?: Readonly<Record<string, string>>
  friendly?: Friendly
}

const COMMANDS: readonly Case[] = [
  { args: ['login', '--generation', 'A', '--email', 'a@b.test', '--password-stdin'], stdin: PASSWORD },
  { args: ['login', '--generation', 'A'], friendly: CODE },
  { args: ['token', 'mint', '--audience', BILLING], friendly: PULL },
  { args: ['exec', '--audience', BILLING, '--', 'node', '-e', '0'], friendly: PULL },
  { args: ['token', 'introspect', '-'], stdin: IDENTITY },
  { args: ['token', 'verify', '-', '--online'], stdin: IDENTITY, friendly: METADATA },
  { args: ['token', 'revoke', '-'], stdin: IDENTITY },
  { args: ['token', 'exchange', '--subject', '-', '--audience', BILLING], stdin: BASE, friendly: METADATA },
  { args: ['ci', 'oidc', '--audience', BILLING], env: GITHUB_JOB },
  {
    args: ['ci', 'oidc', '--audience', BILLING],
    env: GITHUB_JOB,
    friendly: { ...METADATA, ...GITHUB_ANSWER },
  },
  { args: ['ci', 'oidc', '--audience', BILLING], env: { AUTHSEC_ID_TOKEN: IDENTITY }, friendly: METADATA },
  { args: ['whoami'] },
  { args: ['doctor'] },
  { args: ['client', 'list'] },
  { args: ['audit', 'verify', '--remote'] },
]

/** How a server that repeats what it was sent writes that. */
const WRITERS: Readonly<Record<string, (text: string) => string>> = {
  'as it is': (text) => text,
  'as JSON': JSON.stringify,
  'as an address': encodeURIComponent,
  'as a page': (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;'),
  'in base64': (text) => Buffer.from(text).toString('base64'),
}

/** Where it writes that, and how else it may fail. */
const FAILURES: Readonly<Record<string, (written: string) => Response>> = {
  ...Object.fromEntries(
    [200, 400, 401, 403, 423, 429, 500].map((status) => [
      `with ${status}`,
      (written: string) =>
        Response.json({ error: written, details: written, error_description: written }, { status }),
    ]),
  ),
  'with an error in an error': (error) =>
    Response.json({ error: { message: error, code: error } }, { status: 400 }),
  'with a page': (page) => new Response(page, { status: 502, headers: { 'content-type': 'text/html' } }),
  'in its headers': (text) => {
    const value = encodeURIComponent(text)
    const headers = { 'x-request-id': value, 'content-type': `text/${value}`, location: value }
    return new Response('', { status: 500, headers })
  },
  'with a redirect': (text) =>
    new Response('', {
      status: 302,
      headers: { location: `https://evil.example/?${encodeURIComponent(text)}` },
    }),
  'with half of an answer': (text) => new Response(JSON.stringify({ error: text }).slice(0, -1)),
  'not at all': () => {
    throw noConnection()
  },
}

function openServer(write: (text: string) => string, fail: (text: string) => Response, friendly: Friendly) {
  let failures = 0
  const server: typeof fetch = async (input, init) => {
    const request = new Request(input as string, init)
    const { pathname, searchParams } = new URL(request.url)
    const body = await request.text()
    const answers = Object.entries(friendly).find(([end]) => pathname.endsWith(end))?.[1]
    if (answers) return Response.json(answers())
    const members = body.startsWith('{')
      ? Object.values(JSON.parse(body))
      : new URLSearchParams(body).values()
    const told = [request.headers.get('authorization'), body, ...members, ...searchParams.values()]
    failures++
    return fail(write(told.join(' ')))
  }
  return { fetch: server, count: () => failures }
}

function plant() {
  const hunt = openHunt()
  hunt.keep('the password', PASSWORD)
  hunt.keep('the beginning of the password', PASSWORD.slice(0, 8))
  hunt.keep('the device code', DEVICE_CODE)
  hunt.keep('the beginning of the device code', DEVICE_CODE.slice(0, 11))
  hunt.keep('the request token of a job', REQUEST_TOKEN)
  hunt.keep('the identity token of a job', IDENTITY)
  hunt.keep('a base token', BASE)
  hunt.keep('a session', SESSION)
  return hunt
}

describe.each(Object.entries(WRITERS))('a server that repeats what it was sent %s', (_how, write) => {
  test.each(COMMANDS.map((command) => [command.args.join(' '), command] as const))(
    'makes authsec %s say none of it',
    async (_name, { args, stdin = '', env = {}, friendly = {} }) => {
      const hunt = plant()
      for (const [failure, fail] of Object.entries(FAILURES)) {
        const { fetch, count } = openServer(write, fail, friendly)
        let now = NOW
        const { code, stdout, stderr } = await runCli(args, {
          env: {
            AUTHSEC_SERVER: SERVER,
            AUTHSEC_CLIENT_ID: CLIENT_ID,
            AUTHSEC_TOKEN: SESSION,
            AUTHSEC_DEBUG: '1',
            ...env,
          },
          stdin,
          fetch,
          clock: {
            now: () => now,
            sleep: async (ms) => {
              now += ms
            },
          },
        })
        expect([failure, hunt.findIn(`${stdout}\n${stderr}`)], stderr).toEqual([failure, []])
        // It did fail where there was something to find.
        expect([failure, code], stderr).not.toEqual([failure, 0])
        expect(count()).toBeGreaterThan(0)
      }
    },
  )
})

describe('a file with a private key', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = privateKey.export({ format: 'jwk' })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const json = JSON.stringify({ ...jwk, alg: 'ES256' })

  /** The key in each way in which a file may be wrong, and as it is. */
  const FILES: Readonly<Record<string, string>> = {
    'as a JWK': json,
    'as a JWK set': `{"keys":[${json}]}`,
    'as a JWK that is cut off': json.slice(0, -20),
    'as a JWK in the middle of something': json.replace('"d":"', '"d":"\n'),
    'as a JWK whose private part is no text': json.replace(/"d":"([^"]*)"/, '"d":["$1"]'),
    'as a JWK of another curve': json.replace('P-256', 'P-384'),
    'as a JWK with a name twice': json.replace('{', `{"d":"${jwk.d}",`),
    'in PEM': pem,
    'in PEM that is cut off': pem.slice(0, 150),
    'in PEM of another kind': pem.replaceAll('PRIVATE', 'PUBLIC'),
    'in PEM without its lines': pem.replaceAll('\n', ''),
  }

  test.each(Object.entries(FILES))('is never printed: %s', async (_how, content) => {
    const hunt = openHunt()
    // In pieces, because an error may show where it stumbled.
    for (const secret of [String(jwk.d), pem.split('\n')[1] ?? '']) {
      for (let at = 0; at + 10 <= secret.length; at++)
        hunt.keep('a piece of the key', secret.slice(at, at + 10))
    }
    const file = join(await makeDirectory(), 'key')
    await writeFile(file, content, { mode: 0o600 })
    const commands = [
      ['token', 'mint', '--local', '--key', file, '--audience', BILLING],
      ['token', 'verify', '-', '--key', file],
      ['token', 'verify', '-', '--issuer', SERVER, '--jwks', file],
      ['token', 'verify', file],
      ['token', 'lint', file],
      ['keys', 'thumbprint', file],
      ['keys', 'convert', file],
      ['keys', 'jwks', file],
      ['ci', 'oidc', '--identity', file, '--audience', BILLING],
      ['ci', 'oidc', '--identity', file, '--explain', '--rules', file],
      ['client', 'register', '--file', file],
      ['policy', 'create', '--file', file],
    ]
    for (const args of commands) {
      const { stdout, stderr } = await runCli(args, {
        env: { AUTHSEC_SERVER: SERVER, AUTHSEC_TOKEN: SESSION, AUTHSEC_DEBUG: '1' },
        stdin: IDENTITY,
        fetch: async () => Response.json({ error: 'no' }, { status: 500 }),
      })
      expect([args.slice(0, 3), hunt.findIn(`${stdout}\n${stderr}`)], stdout + stderr).toEqual([
        args.slice(0, 3),
        [],
      ])
    }
  })
})
