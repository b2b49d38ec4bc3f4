import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { type JWTPayload, SignJWT } from 'jose'
import type { Reply, TestServer } from './running-server.js'

/** A client that has registered itself, with what it was given. */
export interface RegisteredClient {
  id: string
  secret: string
  registrationToken: string
  /** Its authorization header. */
  basic: { authorization: string }
}

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })

/** The public key of every client that signs here. */
export const CLIENT_JWKS: object = {
  keys: [{ ...pair.publicKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256', kid: 'k1' }],
}

/** Registers a client; throws what the server says when it refuses. */
export async function registerClient(server: TestServer, metadata: object = {}): Promise<RegisteredClient> {
  const reply = await server.call('POST', '/oauth/register', { json: { scope: 'billing:read', ...metadata } })
  if (reply.status !== 201) throw new Error(reply.text)
  const {
    client_id: id,
    client_secret: secret = '',
    registration_access_token: registrationToken,
  } = reply.json
  return { id, secret, registrationToken, basic: basicOf(id, secret) }
}

export function basicOf(id: string, secret: string): { authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` }
}

/** Asks for a token of the client's own. */
export function requestOwnToken(
  server: TestServer,
  { basic }: RegisteredClient,
  fields: Record<string, string> = {},
): Promise<Reply> {
  const form = { grant_type: 'client_credentials', resource: 'https://billing.example', ...fields }
  return server.call('POST', '/oauth/token', { form, headers: basic })
}

/** Signs an assertion for a client; what is undefined is left out. */
export function signAssertion(
  server: Pick<TestServer, 'now' | 'issuer'>,
  clientId: string,
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
): Promise<string> {
  const now = Math.floor(server.now / 1000)
  const payload = {
    iss: clientId,
    sub: clientId,
    aud: server.issuer,
    jti: randomUUID(),
    iat: now,
    exp: now + 60,
    ...claims,
  }
  const said = Object.fromEntries(Object.entries(payload).filter(([, value]) => value !== undefined))
  return new SignJWT(said as JWTPayload)
    .setProtectedHeader({ alg: 'ES256', kid: 'k1', ...header })
    .sign(pair.privateKey)
}
