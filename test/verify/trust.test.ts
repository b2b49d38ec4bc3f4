import { describe, expect, test } from 'vitest'
import type { VerifierOptions } from '../../src/verify/options.js'
import { readOptions } from '../../src/verify/settings.js'
import { createTrustSource } from '../../src/verify/trust.js'
import { answer, noConnection, stubServer } from '../support/stub-server.js'
import { BILLING, ISSUED_AT, issuerRoutes, TENANT } from '../support/token-issuer.js'

const METADATA = 'GET /.well-known/oauth-authorization-server'
const server = 'https://authsec.example'
const metadata = { issuer: server, jwks_uri: `${server}/oauth/jwks`, authsec_tenant: TENANT }

function openTrust(routes: Parameters<typeof stubServer>[0], options: Partial<VerifierOptions> = {}) {
  let now = ISSUED_AT
  const stub = stubServer(routes)
  const settings = readOptions({
    serverUrl: server,
    audience: BILLING,
    fetch: stub.fetch,
    clock: () => now,
    ...options,
  })
  return {
    source: createTrustSource(settings),
    stub,
    pass: (ms: number) => {
      now += ms
    },
  }
}

describe('trust in a server', () => {
  test('comes from its metadata, read once', async () => {
    const { source, stub } = openTrust({ [METADATA]: metadata })
    const [trust] = await Promise.all([source.learn(), source.learn()])
    expect(trust.get('call')).toMatchObject({ issuers: [server], tenant: TENANT })
    expect(trust.get('base')).toBeUndefined()
    expect(await source.learn()).toBe(trust)
    expect(source.learned()).toBe(trust)
    expect(stub.calls).toHaveLength(1)
  })

  test.each([
    { what: 'issuer', serverUrl: server, metadata: { ...metadata, issuer: `${server}/` } },
    {
      what: 'tenant, which need not be named',
      serverUrl: server,
      metadata: { ...metadata, authsec_tenant: undefined },
    },
    {
      what: 'issuer under another name and port of this machine',
      serverUrl: 'http://localhost:9000',
      metadata: { issuer: 'http://127.0.0.1:7468', jwks_uri: 'http://127.0.0.1:9000/oauth/jwks' },
    },
  ])('accepts its $what', async ({ serverUrl, metadata }) => {
    const { source } = openTrust({ [METADATA]: metadata }, { serverUrl })
    expect((await source.learn()).get('call')).toMatchObject({ issuers: [metadata.issuer] })
  })

  test.each([
    {
      why: 'names an issuer elsewhere',
      changed: { issuer: 'https://evil.example' },
      message: `the issuer "https://evil.example" is not on ${server}`,
    },
    {
      why: 'names an issuer on this machine',
      changed: { issuer: 'http://127.0.0.1:7468' },
      message: `the issuer "http://127.0.0.1:7468" is not on ${server}`,
    },
    {
      why: 'names no issuer',
      changed: { issuer: undefined },
      message: `the metadata of ${server} name no issuer`,
    },
    {
      why: 'has its keys elsewhere',
      changed: { jwks_uri: 'https://evil.example/keys' },
      message: `the key set "https://evil.example/keys" is not on ${server}`,
    },
    {
      why: 'has its keys in clear text',
      changed: { jwks_uri: 'http://authsec.example/keys' },
      message: `the key set "http://authsec.example/keys" is not on ${server}`,
    },
    {
      why: 'has its keys in a file',
      changed: { jwks_uri: 'file:///keys' },
      message: `the key set "file:///keys" is not on ${server}`,
    },
    {
      why: 'has its keys at no address',
      changed: { jwks_uri: '/oauth/jwks' },
      message: `the key set "/oauth/jwks" is not on ${server}`,
    },
    {
      why: 'has its keys nowhere',
      changed: { jwks_uri: 7 },
      message: `the metadata of ${server} name no key set`,
    },
  ])('is not given to one that $why', async ({ changed, message }) => {
    const { source } = openTrust({ [METADATA]: { ...metadata, ...changed } })
    await expect(source.learn()).rejects.toMatchObject({ code: 'server_error', message, retryable: true })
  })

  test('finds the metadata of a server with a path between host and path', async () => {
    const { source, stub } = openTrust({}, { serverUrl: `${server}/eu/` })
    await expect(source.learn()).rejects.toMatchObject({ code: 'server_error' })
    expect(stub.calls[0]?.path).toBe('/.well-known/oauth-authorization-server/eu')
  })

  test('is tried again after a rest when the metadata could not be read', async () => {
    const { source, stub, pass } = openTrust({ [METADATA]: [noConnection(), answer(503, {}), metadata] })
    expect(() => source.learned()).toThrow(expect.objectContaining({ code: 'configuration' }))
    await expect(source.learn()).rejects.toMatchObject({ code: 'network' })
    await expect(source.learn()).rejects.toMatchObject({ code: 'network' })
    expect(() => source.learned()).toThrow(expect.objectContaining({ code: 'network' }))
    pass(1_000)
    await expect(source.learn()).rejects.toMatchObject({ code: 'server_error' })
    pass(2_000)
    await expect(source.learn()).resolves.toBeDefined()
    expect(stub.calls).toHaveLength(3)
  })
})

describe('trust in a tenant', () => {
  test.each(['', 7, null])('is not learned from a name such as %j', async (named) => {
    const routes = { [METADATA]: { ...metadata, authsec_tenant: named } }
    expect((await openTrust(routes).source.learn()).get('call')).toMatchObject({ tenant: undefined })
    await expect(openTrust(routes, { profiles: ['base'] }).source.learn()).rejects.toMatchObject({
      code: 'configuration',
    })
  })

  const query = { id: undefined, algorithm: 'RS256' } as const

  test('is for the one that the server names', async () => {
    const { source, stub } = openTrust(
      { ...issuerRoutes(server), [METADATA]: metadata },
      { profiles: ['base'] },
    )
    const trust = (await source.learn()).get('base')
    expect(trust).toMatchObject({ issuers: [`spiffe://${TENANT}`], tenant: TENANT })
    await expect(trust?.keys.find(query)).resolves.toMatchObject({ id: 'default' })
    expect(stub.calls.at(-1)).toMatchObject({ path: '/authsec/spiresvc/v1/jwt/bundle' })
    expect(stub.calls.at(-1)?.query.get('tenant_id')).toBe(TENANT)
  })

  test('needs no metadata where the tenant is given', async () => {
    const { source, stub } = openTrust(issuerRoutes(server), { profiles: ['base'], tenant: 'other & more' })
    const trust = source.learned().get('base')
    expect(trust).toMatchObject({ issuers: ['spiffe://other & more'], tenant: 'other & more' })
    await trust?.keys.load()
    expect(stub.calls.map(({ path }) => path)).toEqual(['/authsec/spiresvc/v1/jwt/bundle'])
    expect(stub.calls[0]?.query.get('tenant_id')).toBe('other & more')
  })

  test('prefers the tenant that is given to the one that the server names', async () => {
    const { source } = openTrust({ [METADATA]: metadata }, { profiles: ['call', 'base'], tenant: 'other' })
    const trust = await source.learn()
    expect(trust.get('call')).toMatchObject({ tenant: 'other' })
    expect(trust.get('base')).toMatchObject({ tenant: 'other' })
  })

  test('is not given where nobody names it', async () => {
    const { source } = openTrust(
      { [METADATA]: { ...metadata, authsec_tenant: undefined } },
      { profiles: ['base'] },
    )
    await expect(source.learn()).rejects.toMatchObject({
      code: 'configuration',
      message: `${server} does not name its tenant`,
    })
  })
})
