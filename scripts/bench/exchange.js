// How many call tokens the server issues, each with its audit record on disk before the answer leaves, beside servers
// that record nothing: their client_credentials grant, which is the least that any of them does for a signed token.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createRequest, measureThroughput } from './load.js'
import { preparePeer } from './peers.js'
import { compareSeries } from './ratio.js'
import { startServerProcess } from './server-process.js'

const COMMAND = path.join(import.meta.dirname, '../../bin/authsec.cjs')
const ROUNDS = 9
const ROUND_MS = 1_500
const WARM_UP_MS = 3_000
const AUDIENCE = 'https://billing.example'

// A JWT with an ES256 signature, which is 64 bytes long.
const ISSUED = /"access_token":"(eyJ[\w-]+)\.eyJ[\w-]+\.[\w-]{86}"/

const PEERS = [
  {
    what: 'oauth2-mock-server 8',
    script: 'oauth2-mock-server',
    path: '/token',
    form: { grant_type: 'client_credentials', scope: 'billing:read', aud: AUDIENCE },
  },
  {
    what: 'oidc-provider 9',
    script: 'oidc-provider',
    path: '/token',
    form: {
      grant_type: 'client_credentials',
      client_id: 'bench',
      client_secret: 'bench-secret',
      scope: 'billing:read',
      resource: AUDIENCE,
    },
    aim: { atLeast: 1.2 },
  },
]

export const exchange = {
  name: 'exchange',
  title: 'token exchange with durable audit, throughput relative to client_credentials (ES256) of',

  async measure() {
    const directory = mkdtempSync(path.join(tmpdir(), 'authsec-bench-'))
    const started = []
    const start = async (...command) => {
      const server = await startServerProcess(...command)
      started.push(server)
      return server.ready
    }
    try {
      const targets = [await createOurs(start, directory)]
      for (const { script, path: endpoint, form } of PEERS) {
        const { url } = await start(preparePeer(script))
        targets.push(createTarget(`${url}${endpoint}`, form))
      }
      const [ours, ...theirs] = await measureInTurn(targets)
      return PEERS.map(({ what, aim }, index) => ({ what, aim, ratio: compareSeries(ours, theirs[index]) }))
    } finally {
      await Promise.all(started.map((server) => server.stop()))
      rmSync(directory, { recursive: true })
    }
  },
}

async function createOurs(start, directory) {
  const args = ['dev', 'serve', '--port', '0', '--json', '--state', path.join(directory, 'state')]
  const { url, client_id } = await start(COMMAND, args, { HOME: directory, AUTHSEC_CONFIG_DIR: directory })
  const pull = await fetch(`${url}/uflow/sdk/delegation-token?client_id=${client_id}`)
  const { token } = await pull.json()
  return createTarget(`${url}/oauth/token`, {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: token,
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    client_id,
    resource: AUDIENCE,
    scope: 'billing:read',
  })
}

function createTarget(url, form) {
  return { url, request: createRequest(url, form), isExpected: isIssued }
}

function isIssued(body) {
  const header = ISSUED.exec(body)?.[1]
  return header !== undefined && isES256(header)
}

// Every token of a server has the same header: it is read once.
const known = new Map()
function isES256(header) {
  if (!known.has(header)) {
    known.set(header, JSON.parse(Buffer.from(header, 'base64url').toString()).alg === 'ES256')
  }
  return known.get(header)
}

async function measureInTurn(targets) {
  for (const target of targets) await measureThroughput(target, WARM_UP_MS)
  const series = targets.map(() => [])
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, target] of targets.entries()) {
      series[index].push(await measureThroughput(target, ROUND_MS))
    }
  }
  return series
}
