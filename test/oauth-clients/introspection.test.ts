import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RunningServer } from '../../src/server/index.js'
import {
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

describe('oauth4webapi', () => {
  test.each(METHODS)('introspects and revokes as a client that authenticates with %s', async (method) => {
    const registered = await register(server, method)
    const client = { client_id: registered.id }
    const as = await discover(server)
    const issued = await oauth.processClientCredentialsResponse(
      as,
      client,
      await oauth.clientCredentialsGrantRequest(
        as,
        client,
        authenticate(registered),
        { resource: BILLING },
        HTTP,
      ),
    )
    const introspect = async () =>
      oauth.processIntrospectionResponse(
        as,
        client,
        await oauth.introspectionRequest(as, client, authenticate(registered), issued.access_token, HTTP),
      )
    expect(await introspect()).toMatchObject({
      active: true,
      token_type: 'Bearer',
      client_id: registered.id,
      scope: 'billing:read',
      aud: BILLING,
    })
    const revocation = await oauth.revocationRequest(
      as,
      client,
      authenticate(registered),
      issued.access_token,
      HTTP,
    )
    await oauth.processRevocationResponse(revocation)
    expect(await introspect()).toEqual({ active: false })
  })
})

describe('openid-client', () => {
  test.each(METHODS)('introspects and revokes as a client that authenticates with %s', async (method) => {
    const configuration = await openClient(server, await register(server, method))
    const { access_token: token } = await openid.clientCredentialsGrant(configuration, { resource: BILLING })
    expect(await openid.tokenIntrospection(configuration, token)).toMatchObject({ active: true })
    await openid.tokenRevocation(configuration, token)
    expect(await openid.tokenIntrospection(configuration, token)).toEqual({ active: false })
  })
})
