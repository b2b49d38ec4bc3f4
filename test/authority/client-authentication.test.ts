import { describe, expect, onTestFinished, test } from 'vitest'
import type { Provenance } from '../../src/authority/audit/log.js'
import {
  assertMayPresent,
  createClientAuthentication,
  hashSecret,
  PROVING_METHODS,
} from '../../src/authority/client-authentication.js'
import { readPresentedClient } from '../../src/authority/presented-client.js'
import { openStore } from '../../src/store/open.js'
import type { ClientAuthMethod } from '../../src/store/store.js'
import { createClient, NOW } from '../store/samples.js'
import { CLIENT_JWKS, signAssertion } from '../support/registered-client.js'
import { formatUnsignedJwt } from '../support/unsigned-jwt.js'

const ID = '11111111-2222-4333-8444-555555555555'
const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
const read = (form: Record<string, string>, authorization: string | null = null) =>
  readPresentedClient({ form: new Map(Object.entries(form)), authorization })

describe('reading who claims to call', () => {
  test.each([
    { why: 'nobody', form: {}, code: 'invalid_client' },
    { why: 'an id that is none', form: { client_id: 'demo' }, code: 'invalid_client' },
    {
      why: 'a secret in two places',
      form: { client_id: ID, client_secret: 'x' },
      header: basic(`${ID}:x`),
      code: 'invalid_request',
    },
    {
      why: 'a secret beside an assertion',
      form: { client_id: ID, client_secret: 'x', client_assertion: 'y', client_assertion_type: JWT_BEARER },
      code: 'invalid_request',
    },
    {
      why: 'an assertion beside a header',
      form: { client_assertion: 'y', client_assertion_type: JWT_BEARER },
      header: basic(`${ID}:x`),
      code: 'invalid_request',
    },
    {
      why: 'another id in the body',
      form: { client_id: ID },
      header: basic(`${ID.replace('1', '2')}:x`),
      code: 'invalid_request',
    },
    { why: 'another scheme', form: { client_id: ID }, header: 'Bearer x', code: 'invalid_client' },
    { why: 'a header without a colon', form: {}, header: basic(ID), code: 'invalid_client' },
    { why: 'a header that is not base64', form: {}, header: `Basic ${ID}:x`, code: 'invalid_client' },
    {
      why: 'a header that is not form-encoded',
      form: {},
      header: basic(`${ID}:%zz`),
      code: 'invalid_client',
    },
    {
      why: 'an assertion of another type',
      form: { client_assertion: 'y', client_assertion_type: 'x' },
      code: 'invalid_request',
      message: /^client_assertion_type "x" is not urn:/,
    },
    {
      why: 'an assertion of no type',
      form: { client_assertion: 'y' },
      code: 'invalid_request',
      message: /^client_assertion_type is missing/,
    },
    {
      why: 'the type of an assertion without one',
      form: { client_id: ID, client_assertion_type: JWT_BEARER },
      code: 'invalid_request',
      message: /^client_assertion is missing/,
    },
    {
      why: 'an assertion that is no JWT',
      form: { client_assertion: 'y', client_assertion_type: JWT_BEARER },
      code: 'invalid_client',
    },
    {
      why: 'an assertion about nobody',
      form: {
        client_assertion: formatUnsignedJwt({ alg: 'ES256' }, { iss: ID }),
        client_assertion_type: JWT_BEARER,
      },
      code: 'invalid_client',
    },
  ])('refuses $why', ({ form, header, code, message = /./ }) => {
    expect(() => read(form as Record<string, string>, header ?? null)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    )
  })

  test.each([
    { method: 'none', form: { client_id: ID.toUpperCase() }, header: null },
    { method: 'client_secret_post', form: { client_id: ID, client_secret: 's' }, header: null },
    { method: 'client_secret_basic', form: {}, header: basic(`${ID}:a%2Bb+c`), secret: 'a+b c' },
    {
      method: 'private_key_jwt',
      form: {
        client_assertion: formatUnsignedJwt({ alg: 'ES256' }, { sub: ID }),
        client_assertion_type: JWT_BEARER,
      },
      header: null,
    },
  ])('reads $method', ({ method, form, header, secret }) => {
    const presented = read(form as Record<string, string>, header)
    expect(presented).toMatchObject({ clientId: ID, method, ...(secret !== undefined && { secret }) })
  })
})

describe('a client that proves nothing', () => {
  test('may act on a developer machine only', () => {
    expect(() => assertMayPresent({ authMethod: 'none' }, 'dev')).not.toThrow()
    expect(() => assertMayPresent({ authMethod: 'none' }, 'shared')).toThrow(
      expect.objectContaining({ code: 'invalid_client' }),
    )
    expect(() => assertMayPresent({ authMethod: 'private_key_jwt' }, 'shared')).not.toThrow()
  })
})

describe('the provenance of a request', () => {
  const ISSUER = 'https://authsec.example'
  const [BASIC, POST, JWT] = PROVING_METHODS
  const other = { aud: 'https://other.example' }
  const another = { iss: ID.replace('1', '2'), sub: ID.replace('1', '2') }

  test.each([
    { why: 'a secret in a header', method: BASIC, learns: true },
    { why: 'a secret in a form', method: POST, learns: true },
    { why: 'an assertion', method: JWT, learns: true },
    { why: 'a secret, for a grant that is not its', method: POST, code: 'unauthorized_client', learns: true },
    { why: 'its id alone', method: 'none', learns: false },
    { why: 'a wrong secret', method: POST, secret: 'wrong', code: 'invalid_client', learns: false },
    { why: 'no secret', method: BASIC, secret: undefined, code: 'invalid_client', learns: false },
    { why: 'an assertion for others', method: JWT, claims: other, code: 'invalid_client', learns: false },
    {
      why: 'an assertion about another',
      method: JWT,
      claims: another,
      code: 'invalid_client',
      learns: false,
    },
    {
      why: 'a secret that it has not',
      method: POST,
      registered: 'none',
      code: 'invalid_client',
      learns: false,
    },
  ] as const)('names a client that shows $why: $learns', async ({ method = 'none', learns, ...shown }) => {
    const { secret, registered, claims, code } = { secret: 'right', registered: method, ...shown } as Shown
    const store = await openStore(':memory:')
    onTestFinished(() => store.close())
    const client = createClient(ID, {
      authMethod: registered,
      secretHash: hashSecret('right'),
      jwks: JSON.stringify(CLIENT_JWKS),
    })
    await store.write((transaction) => transaction.clients.insert(client))
    const { present, find } = createClientAuthentication({
      store,
      clock: () => NOW,
      mode: 'dev',
      issuer: ISSUER,
      addresses: [],
    })
    const assertion = await signAssertion({ now: NOW, issuer: ISSUER }, ID, claims)
    const provenance: Provenance = { requestId: 'request', source: 'POST /oauth/token' }
    const presenter = present(
      { clientId: ID, method, ...(secret !== undefined && { secret }), assertion },
      provenance,
      code === 'unauthorized_client' ? { grantType: 'client_credentials' } : {},
    )
    expect(provenance.provenClient).toBeUndefined()
    expect(await find(presenter).catch((error) => error)).toMatchObject(code ? { code } : { id: ID })
    expect(provenance.provenClient).toBe(learns ? ID : undefined)
  })

  interface Shown {
    secret: string | undefined
    registered: ClientAuthMethod
    claims?: Record<string, unknown>
    code?: string
  }
})
