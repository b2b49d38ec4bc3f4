import { createRemoteJWKSet, jwtVerify } from 'jose'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RunningServer } from '../../src/server/index.js'
import {
  ASSERTION_ALGORITHMS,
  authenticate,
  BILLING,
  discover,
  HTTP,
  METHODS,
  openClient,
  register,
  startRealServer,
} from './standard-client.js'

let server: RunningServer
beforeAll(async () => {
  server = await startRealServer()
})
afterAll(() => server.close())

async function addResource(uri: string, signingAlg: string): Promise<void> {
  const response = await fetch(`${server.url}/admin/resources`, {
    method: 'POST',
    headers: { authorization: `Bearer ${server.adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ uri, permissions: ['billing:read'], signing_alg: signingAlg }),
  })
  expect(response.status).toBe(201)
}

describe('oauth4webapi', () => {
  test.each(['oauth2', 'oidc'] as const)('discovers the server by the %s document', async (algorithm) => {
    const as = await discover(server, algorithm)
    expect(as.issuer).toBe(server.issuer)
    expect(as.authorization_endpoint).toBeUndefined()
  })

  test.each(METHODS)('gets a token for a client that authenticates with %s', async (method) => {
    const client = await register(server, method)
    const as = await discover(server)
    const response = await oauth.clientCredentialsGrantRequest(
      as,
      { client_id: client.id },
      authenticate(client),
      { resource: BILLING },
      HTTP,
    )
    const answer = await oauth.processClientCredentialsResponse(as, { client_id: client.id }, response)
    expect(answer).toMatchObject({ token_type: 'bearer', expires_in: 60, scope: 'billing:read' })
  })

  test.each(ASSERTION_ALGORITHMS)('gets a token with an assertion signed in %s', async (alg) => {
    const client = await register(server, 'private_key_jwt', { alg })
    const as = await discover(server)
    const response = await oauth.clientCredentialsGrantRequest(
      as,
      { client_id: client.id },
      authenticate(client),
      { resource: BILLING },
      HTTP,
    )
    await oauth.processClientCredentialsResponse(as, { client_id: client.id }, response)
  })

  test('is told why, where its secret is wrong', async () => {
    const client = await register(server, 'client_secret_basic')
    const as = await discover(server)
    const response = await oauth.clientCredentialsGrantRequest(
      as,
      { client_id: client.id },
      oauth.ClientSecretBasic('wrong'),
      { resource: BILLING },
      HTTP,
    )
    const answer = oauth.processClientCredentialsResponse(as, { client_id: client.id }, response)
    await expect(answer).rejects.toMatchObject({ status: 401, cause: [{ scheme: 'basic' }] })
  })
})

describe('openid-client', () => {
  test.each(METHODS)('gets a token for a client that authenticates with %s', async (method) => {
    const configuration = await openClient(server, await register(server, method))
    const answer = await openid.clientCredentialsGrant(configuration, { resource: BILLING })
    expect(answer).toMatchObject({ token_type: 'bearer', scope: 'billing:read' })
    expect(answer.expiresIn()).toBeGreaterThan(50)
  })

  test('exchanges the base token of an agent', async () => {
    const url = `${server.url}/authsec/uflow/sdk/delegation-token?client_id=${server.clientId}`
    const { token } = (await (await fetch(url)).json()) as { token: string }
    const configuration = await openid.discovery(
      new URL(server.issuer),
      server.clientId,
      undefined,
      openid.None(),
      {
        algorithm: 'oauth2',
        execute: [openid.allowInsecureRequests],
      },
    )
    const answer = await openid.genericGrantRequest(
      configuration,
      'urn:ietf:params:oauth:grant-type:token-exchange',
      {
        subject_token: token,
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
        resource: BILLING,
      },
    )
    expect(answer).toMatchObject({ scope: 'billing:read' })
  })
})

describe('a token of a client for itself', () => {
  test.each(['ES256', 'RS256', 'EdDSA'])(
    'signed in %s is verified by jose and passes RFC 9068 §4',
    async (alg) => {
      const resource = `https://${alg.toLowerCase()}.example`
      await addResource(resource, alg)
      const client = await register(server, 'client_secret_basic')
      const configuration = await openClient(server, client)
      const answer = await openid.clientCredentialsGrant(configuration, { resource })

      const keys = createRemoteJWKSet(new URL(`${server.url}/oauth/jwks`))
      const { payload, protectedHeader } = await jwtVerify(answer.access_token, keys, {
        issuer: server.issuer,
        audience: resource,
        typ: 'at+jwt',
        algorithms: [alg],
        requiredClaims: ['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'],
      })
      expect(protectedHeader).toEqual({ alg, typ: 'at+jwt', kid: expect.any(String) })
      expect(payload).toMatchObject({ sub: client.id, client_id: client.id, authsec_grant: 'client' })
      expect(payload).not.toHaveProperty('act')

      // `oauth4webapi` plays the API: it checks what RFC 9068 §4 asks of a resource server.
      const as = await discover(server)
      const call = new Request(resource, { headers: { authorization: `Bearer ${answer.access_token}` } })
      const claims = await oauth.validateJwtAccessToken(as, call, resource, {
        ...HTTP,
        signingAlgorithms: [alg],
      })
      expect(claims.client_id).toBe(client.id)
    },
  )
})
