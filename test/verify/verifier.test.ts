import fc from 'fast-check'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createVerifier, type Expectation, type VerifierOptions } from '../../src/verify/index.js'
import { verifyBase, verifyCalls } from '../support/refused-tokens.js'
import { stubServer } from '../support/stub-server.js'
import {
  AGENT,
  BASE_KEY,
  BILLING,
  CALL_CLAIMS,
  CALL_KEY,
  ISSUED_AT,
  ISSUER,
  issuerRoutes,
  nestActors,
  signBase,
  signCall,
  signJwt,
  TENANT,
} from '../support/token-issuer.js'

const SECOND = 1_000
const iat = ISSUED_AT / SECOND

describe('a genuine call token', () => {
  test('says who acts, for whom and what for', async () => {
    const delegation = await verifyCalls().verify(signCall())
    expect(delegation).toEqual({
      profile: 'call',
      user: { id: 'alice' },
      actor: { id: AGENT, clientId: 'c1' },
      chain: [{ id: AGENT, clientId: 'c1' }],
      permissions: new Set(['billing:read', 'profile:read']),
      tool: 'get_customer_billing',
      auditId: 'audit-1',
      claims: CALL_CLAIMS,
      expiresAt: new Date(ISSUED_AT + 60 * SECOND),
    })
    expect(verifyCalls().verifySync(signCall())).toEqual(delegation)
  })

  test('names the current actor first and those before it after', async () => {
    const { actor, chain } = await verifyCalls().verify(signCall({ act: nestActors(5), client_id: 'c5' }))
    expect(actor.clientId).toBe('c5')
    expect(chain.map(({ clientId }) => clientId)).toEqual(['c5', 'c4', 'c3', 'c2', 'c1'])
  })

  test.each<{
    what: string
    claims?: object
    header?: object
    options?: Partial<VerifierOptions>
    expect?: Expectation
  }>([
    { what: 'without a tool', claims: { tool: undefined } },
    { what: 'with a claim that says nothing', claims: { x: null } },
    { what: 'of the type written in full', header: { typ: 'application/AT+jwt' } },
    { what: 'with a header member that means nothing', header: { x: 1 } },
    { what: 'for the second name of the API', options: { audience: ['https://other.example', BILLING] } },
    { what: 'of the second issuer', options: { issuer: ['https://other.example', ISSUER] } },
    {
      what: 'of any tenant where none is pinned',
      claims: { tenant_id: 'other' },
      options: { tenant: undefined },
    },
    { what: 'at the end of the tolerance', options: { clock: () => ISSUED_AT + 65 * SECOND - 1 } },
    { what: 'from a clock five seconds ahead', options: { clock: () => ISSUED_AT - 5 * SECOND } },
    { what: 'that lives 300 seconds', claims: { exp: iat + 300 } },
    { what: 'with every permission asked for', expect: { permissions: ['profile:read', 'billing:read'] } },
    { what: 'with one of the permissions', expect: { anyPermission: ['orders:read', 'billing:read'] } },
    { what: 'of the tool', expect: { tool: 'get_customer_billing' } },
    { what: 'of one of the tools', expect: { tool: ['other', 'get_customer_billing'] } },
    { what: 'that permits nothing, where nothing is asked', claims: { scope: '', permissions: [] } },
  ])('is accepted $what', async ({ claims, header, options, expect: wanted }) => {
    const verifier = verifyCalls(options)
    const token = signCall(claims, header)
    await expect(verifier.verify(token, wanted)).resolves.toMatchObject({ user: { id: 'alice' } })
    expect(verifier.verifySync(token, wanted)).toMatchObject({ user: { id: 'alice' } })
    await expect(verifier.inspect(token, wanted)).resolves.toMatchObject({ verified: true })
  })
})

describe('a genuine base token', () => {
  test('says who acts and for whom', async () => {
    const delegation = await verifyBase().verify(signBase())
    expect(delegation).toMatchObject({
      profile: 'base',
      user: { id: 'alice' },
      actor: { id: AGENT, clientId: 'c1' },
      chain: [{ id: AGENT, clientId: 'c1' }],
      permissions: new Set(['billing:read', 'profile:read']),
      tool: undefined,
      auditId: undefined,
    })
    expect(verifyBase().verifySync(signBase())).toEqual(delegation)
  })

  test.each([
    { what: 'without a type', header: { typ: undefined } },
    { what: 'of the type JOSE', header: { typ: 'JOSE' } },
    { what: 'that lives 24 hours', claims: { exp: iat + 86_400 } },
  ])('is accepted $what', async ({ claims, header }: { claims?: object; header?: object }) => {
    await expect(verifyBase().verify(signBase(claims, header))).resolves.toMatchObject({ profile: 'base' })
  })
})

describe('what stands in a refusal', () => {
  test('is never the token, and is printable', async () => {
    const token = signCall({ aud: '\u001b[31m\u202e' })
    const error = await verifyCalls()
      .verify(token)
      .catch((reason: Error) => reason)
    expect((error as Error).message).toBe(`the audience is "\\u001b[31m\\u202e", not "${BILLING}"`)
    expect(JSON.stringify(error)).not.toContain(token.slice(0, 40))
  })
})

test('no token that differs in one character is accepted', () => {
  const verifier = verifyCalls()
  const token = signCall()
  const character = fc.constantFrom(
    ...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n\0é',
  )
  const position = fc.nat(token.length - 1)
  fc.assert(
    fc.property(
      position,
      character,
      fc.constantFrom('replace', 'insert', 'delete'),
      (at, replacement, how) => {
        const rest = token.slice(how === 'insert' ? at : at + 1)
        const mutant = token.slice(0, at) + (how === 'delete' ? '' : replacement) + rest
        fc.pre(mutant !== token)
        expect(() => verifier.verifySync(mutant)).toThrow(expect.objectContaining({ name: 'AuthsecError' }))
      },
    ),
    { numRuns: 1_000 },
  )
})

test('whatever JSON stands in a claim, a token is accepted or refused, and nothing breaks', async () => {
  const verifier = verifyCalls()
  const claim = fc.constantFrom(...Object.keys(CALL_CLAIMS), 'bind', '__proto__', 'toString')
  await fc.assert(
    fc.asyncProperty(claim, fc.jsonValue(), async (name, value) => {
      const token = signCall(JSON.parse(`{${JSON.stringify(name)}:${JSON.stringify(value)}}`))
      const { verified, checks } = await verifier.inspect(token, { permissions: ['billing:read'], tool: 'x' })
      expect(verified).toBe(checks.every(({ outcome }) => outcome !== 'failed'))
    }),
    { numRuns: 300 },
  )
})

describe('a verifier of a server', () => {
  const clock = () => ISSUED_AT

  test('learns issuer, tenant and keys from it once', async () => {
    const server = stubServer(issuerRoutes())
    const verifier = createVerifier({ serverUrl: ISSUER, audience: BILLING, fetch: server.fetch, clock })
    await Promise.all([verifier.verify(signCall()), verifier.verify(signCall()), verifier.warm()])
    await verifier.verify(signCall())
    expect(server.calls.map(({ path }) => path)).toEqual([
      '/.well-known/oauth-authorization-server',
      '/oauth/jwks',
    ])
    await expect(verifier.verify(signCall({ tenant_id: 'other' }))).rejects.toMatchObject({
      code: 'tenant_mismatch',
    })
  })

  test('asks by the fetch that is there when it asks, which minds whose method it is', async () => {
    const verifier = createVerifier({ serverUrl: ISSUER, audience: BILLING, clock })
    const { fetch } = stubServer(issuerRoutes())
    onTestFinished(() => void vi.unstubAllGlobals())
    vi.stubGlobal('fetch', function (this: unknown, ...request: Parameters<typeof fetch>) {
      if (this !== undefined && this !== globalThis) throw new TypeError('Illegal invocation')
      return fetch(...request)
    })
    await expect(verifier.verify(signCall())).resolves.toBeDefined()
  })

  test('accepts both kinds of token, each by its own keys, where both are opted in', async () => {
    const server = stubServer(issuerRoutes())
    const verifier = createVerifier({
      serverUrl: ISSUER,
      audience: BILLING,
      profiles: ['call', 'base'],
      fetch: server.fetch,
      clock,
    })
    await expect(verifier.verify(signCall())).resolves.toMatchObject({ profile: 'call' })
    await expect(verifier.verify(signBase())).resolves.toMatchObject({ profile: 'base' })
    const disguised = signJwt(
      { alg: 'RS256', typ: 'at+jwt', kid: 'default' },
      CALL_CLAIMS,
      BASE_KEY.privateKey,
    )
    await expect(verifier.verify(disguised)).rejects.toMatchObject({ code: 'signature_invalid' })
    expect(server.calls.at(2)?.query.get('tenant_id')).toBe(TENANT)
  })

  test('asks nobody before the first token, and nobody about one that is malformed', async () => {
    const server = stubServer(issuerRoutes())
    const verifier = createVerifier({ serverUrl: ISSUER, audience: BILLING, fetch: server.fetch, clock })
    await expect(verifier.verify('garbage')).rejects.toMatchObject({ code: 'token_malformed' })
    await expect(verifier.inspect('garbage')).resolves.toMatchObject({ verified: false })
    expect(server.calls).toEqual([])
  })

  test('loads no keys for a token that is refused without one', async () => {
    const server = stubServer(issuerRoutes())
    const verifier = createVerifier({ serverUrl: ISSUER, audience: BILLING, fetch: server.fetch, clock })
    await expect(verifier.verify(signCall({ aud: 'x' }))).rejects.toMatchObject({ code: 'audience_mismatch' })
    const nameless = signCall({}, { kid: undefined })
    await expect(verifier.inspect(nameless)).resolves.toMatchObject({ verified: false })
    expect(server.calls.map(({ path }) => path)).toEqual(['/.well-known/oauth-authorization-server'])
  })

  test('verifies without waiting once it is warm, and says so before', async () => {
    const server = stubServer(issuerRoutes())
    const verifier = createVerifier({ serverUrl: ISSUER, audience: BILLING, fetch: server.fetch, clock })
    expect(() => verifier.verifySync(signCall())).toThrow(
      expect.objectContaining({ code: 'configuration', hint: expect.stringContaining('warm()') }),
    )
    await verifier.warm()
    expect(verifier.verifySync(signCall())).toMatchObject({ user: { id: 'alice' } })
  })

  test('remembers what was genuine, and nothing that is for one use', async () => {
    const replay = { synchronous: true, add: () => true } as const
    const verifier = verifyCalls({ tokenCache: { entries: 1, seconds: 60 }, replay })
    const once = signCall({ one_time: true }, { typ: 'authsec-call+jwt' })
    for (const [token, isRemembered] of [
      [signCall(), true],
      [once, false],
    ] as const) {
      const { claims } = await verifier.verify(token)
      expect((await verifier.verify(token)).claims === claims).toBe(isRemembered)
      expect(verifier.verifySync(token).claims === claims).toBe(isRemembered)
    }
  })

  test('says nothing about a token while the server cannot be reached', async () => {
    const server = stubServer({
      'GET /.well-known/oauth-authorization-server': new TypeError('fetch failed'),
    })
    const verifier = createVerifier({ serverUrl: ISSUER, audience: BILLING, fetch: server.fetch, clock })
    const unreachable = { code: 'network', message: `cannot reach ${ISSUER}: no connection`, retryable: true }
    await expect(verifier.verify(signCall())).rejects.toMatchObject(unreachable)
    await expect(verifier.inspect(signCall())).rejects.toMatchObject(unreachable)
    await expect(verifier.warm()).rejects.toMatchObject(unreachable)
    expect(() => verifier.verifySync(signCall())).toThrow(expect.objectContaining(unreachable))
    expect(server.calls).toHaveLength(1)
  })
})

test('a server that is away for an hour and comes back without the key is survived, told, and believed', async () => {
  const MINUTE = 60 * SECOND
  let now = ISSUED_AT
  let isDown = false
  let keys: readonly object[] = [CALL_KEY.jwk]
  let [asked, alarms] = [0, 0]
  const verifier = createVerifier({
    serverUrl: ISSUER,
    audience: BILLING,
    clock: () => now,
    onEvent: ({ type }) => {
      if (type === 'keys.unavailable') alarms++
    },
    async fetch(input, init) {
      asked++
      if (isDown) throw new TypeError('fetch failed')
      return stubServer({ ...issuerRoutes(), 'GET /oauth/jwks': { keys } }).fetch(input, init)
    },
  })
  const signNow = (header: object = {}) => {
    const at = now / SECOND
    return signCall({ iat: at, nbf: at, exp: at + 60 }, header)
  }
  const refusal = async (token: string) =>
    verifier.verify(token).then(
      () => 'accepted',
      (error: { code: string }) => error.code,
    )

  await verifier.warm()
  isDown = true
  // Ten minutes in which the keys are fresh, and an hour of grace.
  for (let minute = 0; minute < 69; minute++) {
    expect(await refusal(signNow())).toBe('accepted')
    now += MINUTE
  }
  expect(alarms).toBeGreaterThanOrEqual(60)

  // Who invents key ids costs the server no more than one request in ten seconds.
  isDown = false
  now += MINUTE
  await verifier.warm()
  const before = asked
  for (let number = 0; number < 200; number++) {
    expect(await refusal(signNow({ kid: `invented-${number}` }))).toBe('signature_invalid')
    now += SECOND / 10
  }
  expect(asked - before).toBeLessThanOrEqual(3)

  keys = [BASE_KEY.jwk]
  now += 10 * MINUTE
  await verifier.warm()
  expect(await refusal(signNow())).toBe('signature_invalid')

  isDown = true
  now += 71 * MINUTE
  expect(await refusal(signNow())).toBe('network')
})

describe('what a verifier says of its resource', () => {
  const WELL_KNOWN = '/.well-known/oauth-protected-resource'

  test.each<{ audience: string | string[]; resource: string; at: string | undefined }>([
    { audience: BILLING, resource: BILLING, at: `${BILLING}${WELL_KNOWN}` },
    {
      audience: `${BILLING}/v1?region=eu`,
      resource: `${BILLING}/v1?region=eu`,
      at: `${BILLING}${WELL_KNOWN}/v1?region=eu`,
    },
    { audience: ['urn:billing', BILLING], resource: BILLING, at: `${BILLING}${WELL_KNOWN}` },
    { audience: ['urn:billing', 'urn:bills'], resource: 'urn:billing', at: undefined },
  ])('is of the same one wherever it says it: $audience', async ({ audience, resource, at }) => {
    const { fetch } = stubServer(issuerRoutes())
    const verifier = createVerifier({ serverUrl: ISSUER, audience, fetch })
    expect(verifier.resourceMetadata).toBe(at)
    expect(await verifier.describeResource()).toEqual({
      resource,
      authorization_servers: [ISSUER],
      bearer_methods_supported: ['header'],
    })
  })
})
