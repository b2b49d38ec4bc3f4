import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createKey, signJwt } from './token-issuer.js'

/** An issuer of identity tokens such as a CI system has, on a loopback socket: metadata, keys, and the jobs' own door. */
export interface IdentityIssuer {
  url: string
  /** What a job of GitHub finds in its environment. */
  jobVariables: Readonly<Record<string, string>>
  /** How often somebody has asked for the keys. */
  keyRequests: number
  /** What the metadata say instead of the truth. */
  metadata: Record<string, unknown>
  /** Signs the identity of a job; undefined leaves a claim out. */
  sign(claims?: object, header?: object): string
  /** From now on signs with another key. */
  rotate(): void
  close(): Promise<void>
}

/** With what a job asks for its token. */
export const REQUEST_TOKEN = 'planted-request-token'

/** The claims of a job as GitHub describes it, shortened. */
export const JOB = {
  sub: 'repo:acme/shop:ref:refs/heads/main',
  repository: 'acme/shop',
  repository_owner: 'acme',
  ref: 'refs/heads/main',
  environment: 'production',
  run_attempt: '1',
}

/** `now` gives milliseconds since the epoch; `audience` is what tokens are for that nobody asks for one by one. */
export async function startIdentityIssuer(now: () => number, audience: string): Promise<IdentityIssuer> {
  let key = createKey('RS256', { kid: 'job-1' })
  let rotations = 1
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', issuer.url)
    const answer = (status: number, body: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (pathname === '/.well-known/openid-configuration') {
      answer(200, { issuer: issuer.url, jwks_uri: `${issuer.url}/keys`, ...issuer.metadata })
    } else if (pathname === '/keys') {
      issuer.keyRequests += 1
      answer(200, { keys: [key.jwk] })
    } else if (
      pathname === '/job' &&
      request.headers.authorization?.toLowerCase() === `bearer ${REQUEST_TOKEN}`
    ) {
      answer(200, { value: issuer.sign({ aud: searchParams.get('audience') }) })
    } else {
      answer(401, { message: 'nobody asks like this' })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const issuer: IdentityIssuer = {
    url,
    jobVariables: {
      ACTIONS_ID_TOKEN_REQUEST_URL: `${url}/job?api-version=2`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: REQUEST_TOKEN,
    },
    keyRequests: 0,
    metadata: {},
    sign(claims = {}, header = {}) {
      const iat = Math.floor(now() / 1000)
      const standard = {
        iss: issuer.metadata['issuer'] ?? url,
        aud: audience,
        iat,
        nbf: iat,
        exp: iat + 300,
        jti: randomUUID(),
      }
      return signJwt(
        { alg: 'RS256', typ: 'JWT', kid: key.jwk['kid'], ...header },
        { ...standard, ...JOB, ...claims },
        key.privateKey,
      )
    },
    rotate() {
      rotations += 1
      key = createKey('RS256', { kid: `job-${rotations}` })
    },
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
  return issuer
}
