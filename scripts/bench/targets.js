// The servers that are compared, and what is asked of each: one form, posted over and over.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createRequest } from './load.js'
import { preparePeer } from './peers.js'
import { startServerProcess } from './server-process.js'

/** The built command. */
export const COMMAND = path.join(import.meta.dirname, '../../bin/authsec.cjs')
const CEILING = path.join(import.meta.dirname, 'ceiling-server.js')
/** The API whose tokens are signed with ES256. */
const BILLING = 'https://billing.example'
/** The API whose tokens are signed with RS256. */
const REPORTS = 'https://reports.example'
const SCOPE = 'billing:read'
const SIGNATURE_LENGTHS = { ES256: 86, RS256: 342 }

/** Starts servers as they are needed; `close` stops them and removes what they kept. */
export function openServers() {
  const directory = mkdtempSync(path.join(tmpdir(), 'authsec-bench-'))
  const started = []
  async function start(...command) {
    const server = await startServerProcess(...command)
    started.push(server)
    return server.ready
  }
  return {
    /** Ours: an agent that exchanges its base token, and a client that asks for itself, by the algorithm that signs. */
    startOurs: () => startOurs(start, directory),
    startOidcProvider: () => startOidcProvider(start),
    startMockServer: () => startMockServer(start),
    startCeiling: () => startCeiling(start, directory),
    async close() {
      await Promise.all(started.map((server) => server.stop()))
      rmSync(directory, { recursive: true })
    },
  }
}

async function startOurs(start, directory) {
  const readyFile = path.join(directory, 'ready.json')
  const state = ['--state', path.join(directory, 'state'), '--ready-file', readyFile]
  const environment = { HOME: directory, AUTHSEC_CONFIG_DIR: directory }
  const { url, client_id } = await start(
    COMMAND,
    ['dev', 'serve', '--port', '0', '--json', ...state],
    environment,
  )
  const { admin_token } = JSON.parse(readFileSync(readyFile, 'utf8'))
  const reports = { uri: REPORTS, permissions: [SCOPE], signing_alg: 'RS256' }
  await send(`${url}/admin/resources`, reports, { authorization: `Bearer ${admin_token}` })
  const client = await send(`${url}/oauth/register`, {
    grant_types: ['client_credentials'],
    token_endpoint_auth_method: 'client_secret_post',
    scope: SCOPE,
  })
  const ask = (alg, form) => createTarget(`${url}/oauth/token`, { ...form, scope: SCOPE }, alg)
  const credentials = {
    grant_type: 'client_credentials',
    client_id: client.client_id,
    client_secret: client.client_secret,
  }
  return {
    exchange: await createExchangeTarget({ url, client_id }),
    ES256: ask('ES256', { ...credentials, resource: BILLING }),
    RS256: ask('RS256', { ...credentials, resource: REPORTS }),
  }
}

/** The exchange of an agent's base token, at a server of ours. */
export async function createExchangeTarget({ url, client_id }) {
  const { token } = await send(`${url}/uflow/sdk/delegation-token?client_id=${client_id}`)
  const form = {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: token,
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    client_id,
    resource: BILLING,
    scope: SCOPE,
  }
  return createTarget(`${url}/oauth/token`, form, 'ES256')
}

async function startOidcProvider(start) {
  const { url } = await start(preparePeer('oidc-provider'))
  const form = {
    grant_type: 'client_credentials',
    client_id: 'bench',
    client_secret: 'bench-secret',
    scope: SCOPE,
  }
  return {
    ES256: createTarget(`${url}/token`, { ...form, resource: BILLING }, 'ES256'),
    RS256: createTarget(`${url}/token`, { ...form, resource: REPORTS }, 'RS256'),
  }
}

async function startMockServer(start) {
  const { url } = await start(preparePeer('oauth2-mock-server'))
  const form = { grant_type: 'client_credentials', scope: SCOPE, aud: BILLING }
  return { ES256: createTarget(`${url}/token`, form, 'ES256') }
}

async function startCeiling(start, directory) {
  const { url } = await start(CEILING, [path.join(directory, 'ceiling.db')])
  return createTarget(`${url}/token`, { grant_type: 'client_credentials', scope: SCOPE }, 'ES256')
}

async function send(url, body, headers = {}) {
  const request = body && {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  }
  const response = await fetch(url, request)
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`)
  return response.json()
}

function createTarget(url, form, alg) {
  return { url, request: createRequest(url, form), isExpected: createExpectation(alg) }
}

/** Whether an answer holds a JWT of the algorithm. Every token of a server has the same header: it is read once. */
function createExpectation(alg) {
  const issued = new RegExp(`"access_token":"(eyJ[\\w-]+)\\.eyJ[\\w-]+\\.[\\w-]{${SIGNATURE_LENGTHS[alg]}}"`)
  const known = new Map()
  return (body) => {
    const header = issued.exec(body)?.[1]
    if (header === undefined) return false
    if (!known.has(header)) {
      known.set(header, JSON.parse(Buffer.from(header, 'base64url').toString()).alg === alg)
    }
    return known.get(header)
  }
}
