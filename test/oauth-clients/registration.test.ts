import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RunningServer } from '../../src/server/index.js'
import { BILLING, discover, HTTP, SCOPE, startRealServer } from './standard-client.js'

let server: RunningServer
beforeAll(async () => {
  server = await startRealServer()
})
afterAll(() => server.close())

test('openid-client registers itself and gets a token at once', async () => {
  const configuration = await openid.dynamicClientRegistration(
    new URL(server.issuer),
    // The library sends a secret in the body unless it is told otherwise.
    { client_name: 'an API', scope: SCOPE, token_endpoint_auth_method: 'client_secret_post' },
    undefined,
    { algorithm: 'oauth2', execute: [openid.allowInsecureRequests] },
  )
  const answer = await openid.clientCredentialsGrant(configuration, { resource: BILLING })
  expect(answer.scope).toBe('billing:read')
})

test('oauth4webapi is told what is wrong with what it registers', async () => {
  const response = await oauth.dynamicClientRegistrationRequest(
    await discover(server),
    { grant_types: ['authorization_code'] },
    HTTP,
  )
  await expect(oauth.processDynamicClientRegistrationResponse(response)).rejects.toMatchObject({
    error: 'invalid_client_metadata',
    status: 400,
  })
})

test('oauth4webapi registers with an initial access token, which is an admin session', async () => {
  const as = await discover(server)
  const register = (initialAccessToken: string) =>
    oauth.dynamicClientRegistrationRequest(as, { scope: SCOPE }, { initialAccessToken, ...HTTP })
  const registered = await oauth.processDynamicClientRegistrationResponse(await register(server.adminToken))
  expect(registered).toMatchObject({ client_secret_expires_at: 0, scope: SCOPE })
  await expect(
    oauth.processDynamicClientRegistrationResponse(await register('forged')),
  ).rejects.toMatchObject({
    status: 401,
  })
})
