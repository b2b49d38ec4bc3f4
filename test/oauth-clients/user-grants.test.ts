import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ALICE, type Door, openDoor } from '../server/login/door.js'
import {
  authenticate,
  discover,
  HTTP,
  METHODS,
  openClient,
  register,
  type StandardClient,
} from './standard-client.js'

const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'
const CIBA_GRANT = 'urn:openid:params:grant-type:ciba'

let door: Door
beforeAll(async () => {
  // The clients sign their assertions by the real clock.
  door = await openDoor({ clock: Date.now })
})
afterAll(() => door.server.close())

const answerDevice = async (user_code: string, approved: boolean) =>
  door.post('/uflow/auth/device/authorize', { user_code, approved }, await door.login(ALICE))
const answerCiba = async (auth_req_id: string, approved: boolean) =>
  door.post('/uflow/auth/ciba/respond', { auth_req_id, approved }, await door.login(ALICE))

describe.each(METHODS)('a standard client that authenticates with %s', (method) => {
  let client: StandardClient
  let config: openid.Configuration
  beforeAll(async () => {
    client = await register(door.server, method, { grant_types: [DEVICE_GRANT, CIBA_GRANT] })
    config = await openClient(door.server, client)
  })

  test('completes the device grant', async () => {
    const started = await openid.initiateDeviceAuthorization(config, { scope: 'billing:read' })
    expect(started.verification_uri_complete).toContain(started.user_code)
    await answerDevice(started.user_code, true)
    const tokens = await openid.pollDeviceAuthorizationGrant(config, { ...started, interval: 0 })
    expect(tokens).toMatchObject({ token_type: 'bearer', scope: 'billing:read' })
    // A second may begin meanwhile.
    expect([3_599, 3_600]).toContain(tokens.expires_in)
    const { body } = await door.post('/authmgr/token/verify', { token: tokens.access_token })
    expect(body).toMatchObject({ email_id: ALICE, client_id: client.id, scopes: ['billing:read'] })
  })

  test('completes CIBA in poll mode', async () => {
    const started = await openid.initiateBackchannelAuthentication(config, {
      scope: 'openid billing:read',
      login_hint: ALICE,
      binding_message: 'refund 42',
    })
    await answerCiba(started.auth_req_id, true)
    const tokens = await openid.pollBackchannelAuthenticationGrant(config, { ...started, interval: 0 })
    expect(tokens).toMatchObject({ token_type: 'bearer', scope: 'billing:read' })
    expect(tokens.id_token).toBeUndefined()
  })

  test('is told who has said no', async () => {
    const device = await openid.initiateDeviceAuthorization(config, {})
    await answerDevice(device.user_code, false)
    await expect(
      openid.pollDeviceAuthorizationGrant(config, { ...device, interval: 0 }),
    ).rejects.toMatchObject({ error: 'access_denied' })

    const ciba = await openid.initiateBackchannelAuthentication(config, { login_hint: ALICE })
    await answerCiba(ciba.auth_req_id, false)
    await expect(
      openid.pollBackchannelAuthenticationGrant(config, { ...ciba, interval: 0 }),
    ).rejects.toMatchObject({ error: 'access_denied' })
  })

  test('is told to wait, in a form that its library reads', async () => {
    const server = await discover(door.server)
    const registered = { client_id: client.id }
    const started = await oauth.processDeviceAuthorizationResponse(
      server,
      registered,
      await oauth.deviceAuthorizationRequest(server, registered, authenticate(client), {}, HTTP),
    )
    const poll = async () =>
      oauth.processDeviceCodeResponse(
        server,
        registered,
        await oauth.deviceCodeGrantRequest(
          server,
          registered,
          authenticate(client),
          started.device_code,
          HTTP,
        ),
      )
    await expect(poll()).rejects.toMatchObject({ error: 'authorization_pending' })
    await expect(poll()).rejects.toMatchObject({ error: 'slow_down' })
  })
})

test('a client that has registered for other grants gets neither', async () => {
  const client = await register(door.server, 'client_secret_basic', { grant_types: ['client_credentials'] })
  const config = await openClient(door.server, client)
  await expect(openid.initiateDeviceAuthorization(config, {})).rejects.toMatchObject({
    error: 'unauthorized_client',
  })
  await expect(openid.initiateBackchannelAuthentication(config, { login_hint: ALICE })).rejects.toMatchObject(
    { error: 'unauthorized_client' },
  )
})
