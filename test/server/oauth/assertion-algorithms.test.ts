import { generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { registerClient } from '../../support/registered-client.js'
import { exchangeForm, startTestServer, type TestServer } from '../../support/running-server.js'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.close())

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const rsa = () => generateKeyPairSync('rsa', { modulusLength: 2048 })
const KEYS: Readonly<Record<string, () => { publicKey: KeyObject; privateKey: KeyObject }>> = {
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ES384: () => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  RS256: rsa,
  PS256: rsa,
  EdDSA: () => generateKeyPairSync('ed25519'),
  Ed25519: () => generateKeyPairSync('ed25519'),
}

describe.each(['ES256', 'ES384', 'RS256', 'PS256', 'EdDSA', 'Ed25519'])(
  'an assertion signed in %s',
  (alg) => {
    let clientId: string
    let keys: { publicKey: KeyObject; privateKey: KeyObject }
    beforeAll(async () => {
      keys = (KEYS[alg] as () => typeof keys)()
      const jwk = { ...keys.publicKey.export({ format: 'jwk' }), alg, use: 'sig', kid: alg }
      const metadata = { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [jwk] } }
      clientId = (await registerClient(server, metadata)).id
    })

    async function prove(): Promise<Record<string, string>> {
      const now = Math.floor(server.now / 1000)
      const assertion = await new SignJWT({ jti: randomUUID() })
        .setProtectedHeader({ alg, kid: alg })
        .setIssuer(clientId)
        .setSubject(clientId)
        .setAudience(server.issuer)
        .setIssuedAt(now)
        .setExpirationTime(now + 60)
        .sign(keys.privateKey)
      return { client_id: clientId, client_assertion: assertion, client_assertion_type: ASSERTION_TYPE }
    }

    const form = { grant_type: 'client_credentials', resource: exchangeForm('')['resource'] as string }
    const issue = async () => server.call('POST', '/oauth/token', { form: { ...form, ...(await prove()) } })

    test('is accepted by the token endpoint', async () => {
      expect(await issue()).toMatchObject({ status: 200 })
    })

    test('is accepted by the introspection endpoint', async () => {
      const { access_token: token } = (await issue()).json
      const reply = await server.call('POST', '/oauth/introspect', { form: { token, ...(await prove()) } })
      expect(reply.json).toMatchObject({ active: true })
    })

    test('is accepted by the revocation endpoint, which revokes', async () => {
      const { access_token: token } = (await issue()).json
      const form = async () => ({ token, ...(await prove()) })
      expect((await server.call('POST', '/oauth/revoke', { form: await form() })).status).toBe(200)
      const told = await server.call('POST', '/oauth/introspect', { form: await form() })
      expect(told.json).toEqual({ active: false })
    })

    test('is refused once a byte of it is another', async () => {
      const proof = await prove()
      const [head, claims, signature = ''] = (proof['client_assertion'] as string).split('.')
      const bent = `${signature[0] === 'A' ? 'B' : 'A'}${signature.slice(1)}`
      const reply = await server.call('POST', '/oauth/token', {
        form: { ...form, ...proof, client_assertion: `${head}.${claims}.${bent}` },
      })
      expect(reply).toMatchObject({ status: 401, json: { error: 'invalid_client' } })
    })

    test.runIf(alg === 'PS256')('is refused without the zero that its signature begins with', async () => {
      let parts: string[]
      let proof: Record<string, string>
      do {
        proof = await prove()
        parts = (proof['client_assertion'] as string).split('.')
      } while (Buffer.from(parts[2] as string, 'base64url')[0] !== 0)
      const short = Buffer.from(parts[2] as string, 'base64url')
        .subarray(1)
        .toString('base64url')
      const reply = await server.call('POST', '/oauth/token', {
        form: { ...form, ...proof, client_assertion: `${parts[0]}.${parts[1]}.${short}` },
      })
      expect(reply).toMatchObject({ status: 401, json: { error: 'invalid_client' } })
    })
  },
)
