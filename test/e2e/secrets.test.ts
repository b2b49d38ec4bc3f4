import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer } from '../../src/server/index.js'
import { makePostgresSchema } from '../support/postgres-schema.js'
import { runCli } from '../support/run-cli.js'
import { BILLING, exchangeForm } from '../support/running-server.js'
import { formsOf, openHunt, type SecretHunt } from '../support/secret-hunt.js'
import { openShell, type Shell } from './shell.js'

const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const AUTH = '/authsec/uflow/auth'
const [ADMIN, ALICE] = ['admin@authsec.test', 'alice@authsec.test'] as const
/** The files that are there to hold a secret, for their owner only. */
const KEEPERS = ['kek', 'passwords.json']

let shell: Shell
beforeAll(() => {
  shell = openShell()
})
afterAll(() => shell.close())

/** A server to live with. */
interface Place {
  url: string
  clientId: string
  adminToken: string
  passwords: Readonly<Record<string, string>>
}

interface Answer {
  status: number
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: an answer is whatever the server says; the test looks closer.
  body: any
}

describe('no secret, code or token lies anywhere after a long life', () => {
  test('of a server on its own directory: not in its state, its exports, its output or a refusal', async () => {
    const hunt = openHunt()
    const state = path.join(shell.directory, 'state')
    const [keyFile, readyFile] = ['key.jwk', 'ready.json'].map((name) => path.join(shell.directory, name))
    const signer = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })
    hunt.keep('the private part of an imported key', String(signer.d))
    writeFileSync(String(keyFile), JSON.stringify({ ...signer, alg: 'ES256' }), { mode: 0o600 })
    const args = [
      'dev',
      'serve',
      '--port',
      '0',
      '--json',
      '--state',
      state,
      '--ready-file',
      String(readyFile),
    ]
    const server = shell.start([...args, '--keys', `import=${keyFile}`], { env: { AUTHSEC_DEBUG: '1' } })
    const ready = JSON.parse(await server.readLine())
    hunt.keep('the key-encryption key', readFileSync(path.join(state, 'kek'), 'utf8').trim())
    const place = {
      url: ready.url,
      clientId: ready.client_id,
      adminToken: JSON.parse(readFileSync(String(readyFile), 'utf8')).admin_token,
      passwords: JSON.parse(readFileSync(path.join(state, 'passwords.json'), 'utf8')),
    }
    await live(place, hunt, { strayed: 11 })

    const readState = () =>
      readdirSync(state)
        // Nor what takes the place of another file in one step: it may have done so meanwhile.
        .filter((file) => !KEEPERS.includes(file) && !file.endsWith('.tmp'))
        .map((file) => readFileSync(path.join(state, file)).toString('latin1'))
        .join('\n')
    const open = readState()
    const exports = await readExports(place)
    const { stdout, stderr } = await server.stop()
    const found = Object.entries({ open, closed: readState(), exports, stdout, stderr })
    for (const [where, content] of found) expect([where, hunt.findIn(content)]).toEqual([where, []])
    // Read as it is, and whole: what may be there is found.
    for (const content of [open, readState(), exports]) expect(content).toContain('token.exchanged')
    expect(open).toContain(PLANTED)
    expect(open).not.toMatch(/PRIVATE KEY|"d":"/)
  })

  test('of a server on a database: not in a single row of it', async () => {
    const hunt = openHunt()
    const schema = await makePostgresSchema()
    const passwords = { [ADMIN]: 'correct horse battery', [ALICE]: 'staple of alice' }
    const kek = new Uint8Array(Buffer.from('0123456789abcdef0123456789ABCDEF'))
    hunt.keep('the key-encryption key', Buffer.from(kek).toString('latin1'))
    const server = await startServer({ port: 0, store: schema.url, allowDevPostgres: true, kek, passwords })
    await live({ ...server, passwords }, hunt, { strayed: 3 })
    await server.close()
    const tables = await schema.run(
      `select table_name as name from information_schema.tables where table_schema = '${schema.name}'`,
    )
    const rows: string[] = []
    for (const { name } of tables) {
      for (const { row } of await schema.run(`select t::text as row from ${name} t`)) rows.push(String(row))
    }
    await schema.drop()
    const dump = rows.join('\n')
    expect(hunt.findIn(dump)).toEqual([])
    expect(dump).toContain('token.exchanged')
    expect(dump).toContain(PLANTED)
  })

  test('and would be found in every form', () => {
    const hunt = openHunt()
    const secret = hunt.keep('a secret', 's3cret/of+a~client')
    for (const form of formsOf(secret)) expect(hunt.findIn(`x${form}y`), form).toEqual(['a secret'])
    for (const before of ['', 'a', 'ab', 'abc:']) {
      const header = Buffer.from(`${before}${secret}:`).toString('base64')
      expect(hunt.findIn(header), header).toEqual(['a secret'])
    }
    hunt.keep('a token', 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLW9mLWEtdG9rZW4')
    expect(hunt.findIn(Buffer.from('\0c2lnbmF0dXJlLW9mL'))).toEqual(['a token'])
    expect(hunt.findIn('nothing')).toEqual([])
  })
})

/** The name of a client: no secret, but it takes the same ways as one. */
const PLANTED = 'planted where it may be found'

/** Does everything that has to do with a secret, a code or a token, and all that can go wrong with it. */
async function live(place: Place, hunt: SecretHunt, { strayed }: { strayed: number }): Promise<void> {
  const { url, clientId, adminToken, passwords } = place
  const refusals: string[] = []
  hunt.keep('the session of the admin', adminToken)
  for (const [user, password] of Object.entries(passwords)) hunt.keep(`the password of ${user}`, password)

  const call = async (target: string, init: RequestInit = {}): Promise<Answer> => {
    const response = await fetch(`${url}${target}`, { redirect: 'manual', ...init })
    const text = await response.text()
    const isJson = /json/.test(response.headers.get('content-type') ?? '')
    if (response.status >= 400) refusals.push(`${text}${JSON.stringify([...response.headers])}`)
    return { status: response.status, text, body: isJson ? JSON.parse(text) : undefined }
  }
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
  const form = (target: string, fields: Record<string, string>, headers = {}) =>
    call(target, { method: 'POST', body: new URLSearchParams(fields), headers })
  const post = (target: string, body: object, token = adminToken, method = 'POST') =>
    call(target, {
      method,
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...bearer(token) },
    })
  const succeed = async (answer: Promise<Answer>) => {
    const { status, text, body } = await answer
    expect(status, text).toBeLessThan(300)
    return body
  }

  async function register(fields: object) {
    const client = await succeed(post('/oauth/register', { scope: 'billing:read', ...fields }))
    const { client_id: id, client_secret: secret, registration_access_token: access } = client
    if (secret) hunt.keep('a client secret', secret)
    hunt.keep('a registration token', access)
    return { id: String(id), secret: String(secret), access: String(access) }
  }
  const own = { grant_type: 'client_credentials', resource: BILLING }
  const keepToken = ({ access_token, token }: { access_token?: string; token?: string }) =>
    hunt.keep('a token', access_token ?? token ?? '')

  // People.
  const logIn = async (email: string) => {
    const { token } = await succeed(
      post(`${AUTH}/admin/login`, { email, password: passwords[email] }, 'none-so-far'),
    )
    return hunt.keep('a session', token)
  }
  const [alice] = [await logIn(ALICE), await logIn(ADMIN)]
  await post(`${AUTH}/admin/login`, { email: ALICE, password: hunt.keep('a guess', 'a wrong guess') })

  // Clients of every kind.
  const basic = await register({ client_name: PLANTED, grant_types: ['client_credentials'] })
  const basicHeader = (id: string, secret: string) => {
    const encoded = Buffer.from(`${id}:${secret}`).toString('base64')
    return { authorization: `Basic ${hunt.keep('an authorization header', encoded)}` }
  }
  keepToken(await succeed(form('/oauth/token', own, basicHeader(basic.id, basic.secret))))
  const posting = await register({
    grant_types: ['client_credentials'],
    token_endpoint_auth_method: 'client_secret_post',
  })
  const posted = { client_id: posting.id, client_secret: posting.secret }
  const ownToken = keepToken(await succeed(form('/oauth/token', { ...own, ...posted })))
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  hunt.keep('the private key of a client', String(pair.privateKey.export({ format: 'jwk' }).d))
  const signing = await register({
    grant_types: ['client_credentials'],
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [{ ...pair.publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'ES256' }] },
  })
  const asserted = async (key: KeyObject = pair.privateKey) => ({
    client_assertion_type: ASSERTION,
    client_assertion: hunt.keep('a client assertion', await signAssertion(signing.id, url, key)),
  })
  const assertion = await asserted()
  keepToken(await succeed(form('/oauth/token', { ...own, ...assertion })))
  await form('/oauth/token', { ...own, ...assertion })
  await form('/oauth/token', {
    ...own,
    ...(await asserted(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)),
  })
  await succeed(call(`/oauth/register/${basic.id}`, { headers: bearer(basic.access) }))
  const rotated = await succeed(post(`/admin/clients/${basic.id}/rotate-secret`, { overlap_seconds: 60 }))
  hunt.keep('a rotated secret', rotated.client_secret)
  keepToken(await succeed(form('/oauth/token', own, basicHeader(basic.id, rotated.client_secret))))

  // The agent.
  const pull = async () =>
    keepToken(await succeed(call(`/authsec/uflow/sdk/delegation-token?client_id=${clientId}`)))
  let base = await pull()
  const exchange = (fields: Record<string, string>) =>
    form('/oauth/token', { ...exchangeForm(clientId), subject_token: base, ...fields })
  const onceToken = keepToken(await succeed(exchange({ tool: 'get_bill', one_time: 'true' })))
  const callToken = keepToken(await succeed(exchange({ scope: 'billing:read' })))
  await form('/oauth/consume', { client_id: clientId, token: onceToken })
  await form('/oauth/introspect', { token: callToken }, bearer(adminToken))
  await form('/oauth/introspect', { token: ownToken, ...posted })
  await form('/oauth/revoke', { token: callToken, client_id: clientId })
  await form('/oauth/revoke', { token: ownToken, ...posted })

  // Devices, in the words of AuthSec and of RFC 8628, and approval from afar.
  const device = await succeed(post(`${AUTH}/device/code`, { client_id: clientId }))
  const answered = await succeed(form('/oauth/device_authorization', { client_id: clientId }))
  for (const { device_code, user_code } of [device, answered]) {
    hunt.keep('a device code', device_code)
    hunt.keep('a user code', user_code)
    hunt.keep('a user code without its dash', user_code.replace('-', ''))
    await succeed(post(`${AUTH}/device/authorize`, { user_code, approved: true }, alice))
  }
  keepToken(await succeed(post(`${AUTH}/device/token`, { device_code: device.device_code })))
  const byDevice = { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', client_id: clientId }
  keepToken(await succeed(form('/oauth/token', { ...byDevice, device_code: answered.device_code })))
  await form('/oauth/token', { ...byDevice, device_code: answered.device_code })
  const hint = { client_id: clientId, login_hint: ALICE, scope: 'openid' }
  const { auth_req_id } = await succeed(form('/oauth/bc-authorize', hint))
  hunt.keep('an auth_req_id', auth_req_id)
  await succeed(post(`${AUTH}/ciba/respond`, { auth_req_id, approved: true }, alice))
  const byCiba = { grant_type: 'urn:openid:params:grant-type:ciba', client_id: clientId }
  keepToken(await succeed(form('/oauth/token', { ...byCiba, auth_req_id })))
  await form('/oauth/token', { ...byCiba, auth_req_id })
  const activation = await call(`/activate?user_code=${device.user_code}`)
  hunt.keep('a form token', /name="form_token" value="([^"]*)"/.exec(activation.text)?.[1] ?? '')

  // What others keep here.
  await succeed(
    post('/authsec/exsvc/services', {
      ...{ name: 'payroll', type: 'rest', url: 'https://payroll.example', auth_type: 'api_key' },
      secret_data: { api_key: hunt.keep('a secret of a service', 'sk-very-secret-value') },
    }),
  )

  // A delegation that is granted anew and revoked.
  const terms = { role_name: 'admin', agent_type: 'langchain', allowed_permissions: ['billing:read'] }
  await succeed(post('/uflow/delegation-policies', { ...terms, resources: [BILLING] }))
  const agent = `/uflow/admin/agents/${clientId}`
  base = keepToken(
    await succeed(post(`${agent}/delegate-token`, { agent_type: 'langchain', audience: [BILLING] })),
  )

  // Everything in the wrong place. Only whoever sends it there is told what it was.
  expect(hunt.findIn(refusals.join('\n'))).toEqual([])
  const strays = [
    ...[adminToken, alice, base, callToken, ownToken, assertion.client_assertion],
    ...[basic.secret, basic.access, String(passwords[ALICE])],
    ...[device.device_code, device.user_code, auth_req_id],
  ]
  for (const stray of strays.slice(0, strayed)) {
    const quoted = encodeURIComponent(stray)
    // What anybody may name as they like is recorded as they do, unless it is a token.
    const name = stray.startsWith('eyJ') ? stray : 'x'
    for (const target of [
      `/oauth/token?client_secret=${quoted}`,
      `/nowhere/${quoted}?access_token=${quoted}`,
      `/audit/events?filter=jti%3D${name}x&access_token=${quoted}`,
      `/audit/events/${quoted}`,
      `/admin/resources/${quoted}`,
      `/oauth/register/${quoted}`,
      `/uflow/sdk/delegation-token?client_id=${quoted}`,
      `/activate?user_code=${quoted}`,
    ]) {
      await call(target)
      await call(target, { headers: bearer(adminToken) })
    }
    await call('/audit/events', { headers: { authorization: stray } })
    await call('/audit/events', { headers: { 'user-agent': name, ...bearer(`${stray}x`) } })
    await call('/oauth/token', { method: 'PUT', headers: { 'x-api-key': stray, cookie: `a=${stray}` } })
    for (const field of ['client_id', 'client_secret', 'scope', 'resource', 'audience', 'actor_token']) {
      await form('/oauth/token', { ...own, ...posted, [field]: stray })
      await exchange({ [field]: stray })
    }
    await exchange({ tool: name })
    await exchange({ subject_token: `${stray}x` })
    await form('/oauth/token', { grant_type: stray })
    await form('/oauth/token', { ...own, client_id: posting.secret, client_secret: posting.id })
    await form('/oauth/bc-authorize', { ...hint, login_hint: stray, binding_message: 'x' })
    await form('/oauth/device_authorization', { client_id: stray })
    await form('/oauth/introspect', { token: stray }, bearer(adminToken))
    await form('/oauth/revoke', { token: `${stray}x`, client_id: clientId })
    await post(`${AUTH}/admin/login`, { email: stray, password: ALICE })
    await post(`${AUTH}/device/token`, { device_code: stray })
    await post(`${AUTH}/device/authorize`, { user_code: stray, approved: true }, alice)
    await post(`${AUTH}/ciba/respond`, { auth_req_id: stray, approved: true }, alice)
    await post(`${agent}/delegate-token`, { agent_type: stray, audience: [name] })
    await post('/oauth/token', { subject_token: stray })
    await call('/admin/resources', {
      method: 'POST',
      body: `{"a":"${stray}`,
      headers: { 'content-type': 'application/json', ...bearer(adminToken) },
    })
  }
  await post(`${agent}/revoke-token`, {})
  await exchange({})
  await call(`${AUTH}/logout`, { method: 'POST', headers: bearer(alice) })
  expect(refusals.length).toBeGreaterThan(strayed * 30)
}

async function signAssertion(id: string, audience: string, key: KeyObject): Promise<string> {
  return new SignJWT({ jti: crypto.randomUUID() })
    .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
    .setIssuer(id)
    .setSubject(id)
    .setAudience(audience)
    .setIssuedAt()
    .setExpirationTime('1m')
    .sign(key)
}

/** The log in every form in which it is given out. */
async function readExports({ url, adminToken, clientId }: Place): Promise<string> {
  const env = { AUTHSEC_SERVER: url, AUTHSEC_TOKEN: adminToken, AUTHSEC_CLIENT_ID: clientId }
  const run = async (args: string[]) => {
    const { code, stdout, stderr } = await runCli(args, { env, fetch, clock: { now: Date.now } })
    expect(`${args.join(' ')} ${code} ${stderr}`).toMatch(/ 0 /)
    return `${stdout}${stderr}`
  }
  const texts: string[] = []
  for (const format of ['jsonl', 'csv', 'ocsf', 'cef']) {
    texts.push(await run(['audit', 'export', '--format', format]))
  }
  const bundle = path.join(shell.directory, 'bundle')
  await run(['audit', 'export', '--format', 'bundle', '--out', bundle])
  for (const file of readdirSync(bundle, { recursive: true, withFileTypes: true })) {
    if (file.isFile()) texts.push(readFileSync(path.join(file.parentPath, file.name), 'latin1'))
  }
  texts.push(await run(['audit', 'search', '--json', '--limit', '1000']))
  return texts.join('\n')
}
