import { describe, expect, test } from 'vitest'
import { createVerifier, type VerifierOptions } from '../../src/verify/index.js'
import { readOptions } from '../../src/verify/settings.js'
import {
  BASE_KEY,
  BILLING,
  CALL_KEY,
  createKey,
  ISSUED_AT,
  ISSUER,
  signCall,
  TENANT,
} from '../support/token-issuer.js'

const audience = BILLING
const serverUrl = 'https://authsec.example'
const jwks = { keys: [CALL_KEY.jwk] }
const issuer = ISSUER

describe('a verifier can be created', () => {
  test.each<{ what: string; options: VerifierOptions }>([
    { what: 'of a server', options: { serverUrl, audience } },
    {
      what: 'of a server on this machine',
      options: { serverUrl: new URL('http://localhost:7468'), audience: [audience] },
    },
    { what: 'of an issuer with keys', options: { issuer, jwks, audience } },
    {
      what: 'of an issuer with the URL of its keys',
      options: { issuer: [issuer], jwks: 'https://authsec.example/keys', audience },
    },
    {
      what: 'of a tenant with its key',
      options: { jwks: { keys: [BASE_KEY.jwk] }, tenant: TENANT, profiles: ['base'], audience },
    },
    { what: 'of both kinds of token', options: { serverUrl, audience, profiles: ['call', 'base'] } },
    {
      what: 'with every option',
      options: {
        serverUrl,
        audience,
        tenant: TENANT,
        algorithms: ['PS256'],
        clockToleranceSeconds: 0,
        maxChainDepth: 1,
        staleGraceSeconds: 86_400,
        replay: 'server',
        introspect: () => false,
        client: { clientId: 'billing', credentials: { clientSecret: 'x' } },
        tokenCache: { entries: 1, seconds: 1 },
        resourceMetadata: `${BILLING}/.well-known/oauth-protected-resource`,
        onEvent: () => {},
        fetch,
        clock: Date.now,
      },
    },
  ])('$what', ({ options }) => {
    expect(createVerifier(options)).toEqual({
      warm: expect.any(Function),
      verify: expect.any(Function),
      verifySync: expect.any(Function),
      inspect: expect.any(Function),
      assertExpectation: expect.any(Function),
      describeResource: expect.any(Function),
      resourceMetadata: `${BILLING}/.well-known/oauth-protected-resource`,
    })
  })
})

describe('a verifier cannot be created', () => {
  test.each<{ why: string; options: object; message: string }>([
    { why: 'without audience', options: { serverUrl }, message: 'the option "audience" is not a text' },
    {
      why: 'with an empty audience',
      options: { serverUrl, audience: '' },
      message: 'the option "audience" is not a text',
    },
    {
      why: 'with no audience of several',
      options: { serverUrl, audience: [] },
      message: 'the option "audience" is empty',
    },
    {
      why: 'with an audience that is a number',
      options: { serverUrl, audience: [1] },
      message: 'the option "audience" is not a text',
    },
    {
      why: 'with an empty tenant',
      options: { serverUrl, audience, tenant: '' },
      message: 'the option "tenant" is not a text',
    },
    {
      why: 'with no issuer for its keys',
      options: { jwks, audience },
      message: 'the option "issuer" is not a text',
    },
    {
      why: 'with keys that are none',
      options: { issuer, jwks: { keys: 'x' }, audience },
      message: 'the option "jwks" is neither a URL nor an object with a list of keys',
    },
    {
      why: 'with no profile',
      options: { serverUrl, audience, profiles: [] },
      message: 'the option "profiles" is empty',
    },
    {
      why: 'with no algorithm',
      options: { serverUrl, audience, algorithms: [] },
      message: 'the option "algorithms" is empty',
    },
    {
      why: 'with much tolerance',
      options: { serverUrl, audience, clockToleranceSeconds: 6 },
      message: 'the option "clockToleranceSeconds" is not a whole number from 0 to 5',
    },
    {
      why: 'with negative tolerance',
      options: { serverUrl, audience, clockToleranceSeconds: -1 },
      message: 'the option "clockToleranceSeconds" is not a whole number from 0 to 5',
    },
    {
      why: 'with a tolerance that is text',
      options: { serverUrl, audience, clockToleranceSeconds: '5' },
      message: 'the option "clockToleranceSeconds" is not a whole number from 0 to 5',
    },
    {
      why: 'with a chain of none',
      options: { serverUrl, audience, maxChainDepth: 0 },
      message: 'the option "maxChainDepth" is not a whole number from 1 to 5',
    },
    {
      why: 'with keys that outlive their time by two days',
      options: { serverUrl, audience, staleGraceSeconds: 172_800 },
      message: 'the option "staleGraceSeconds" is not a whole number from 0 to 86400',
    },
    {
      why: 'with a cache of none',
      options: { serverUrl, audience, tokenCache: { entries: 0 } },
      message: 'the option "tokenCache.entries" is not a whole number from 1 to 100000',
    },
    {
      why: 'with a cache that outlives every token',
      options: { serverUrl, audience, tokenCache: { seconds: 3600 } },
      message: 'the option "tokenCache.seconds" is not a whole number from 1 to 60',
    },
    ...[true, 'memory', {}, null].map((replay) => ({
      why: `with a replay store that is ${JSON.stringify(replay)}`,
      options: { serverUrl, audience, replay },
      message: 'the option "replay" is neither "server" nor a store with a method add',
    })),
    {
      why: 'with an introspection that is text',
      options: { serverUrl, audience, client: { clientId: 'x' }, introspect: 'always' },
      message: 'the option "introspect" is not a function',
    },
    {
      why: 'as a client without name',
      options: { serverUrl, audience, client: {} },
      message: 'the option "client.clientId" is not a text',
    },
    {
      why: 'with a clock that stands',
      options: { serverUrl, audience, clock: 5 },
      message: 'the option "clock" is not a function',
    },
    {
      why: 'with a fetch that is text',
      options: { serverUrl, audience, fetch: 'fetch' },
      message: 'the option "fetch" is not a function',
    },
    {
      why: 'with a listener that is none',
      options: { serverUrl, audience, onEvent: {} },
      message: 'the option "onEvent" is not a function',
    },
  ])('$why: that is misuse', ({ options, message }) => {
    expect(() => createVerifier(options as VerifierOptions)).toThrow(
      expect.objectContaining({ name: 'TypeError', message }),
    )
  })

  test.each<{ why: string; options: object; message: string }>([
    { why: 'of nobody', options: { audience }, message: 'a verifier needs someone to believe' },
    {
      why: 'of an issuer without keys',
      options: { issuer, audience },
      message: 'a verifier needs someone to believe',
    },
    {
      why: 'of a server and keys',
      options: { serverUrl, jwks, audience },
      message: 'a verifier believes a server or an issuer with its keys, not both',
    },
    {
      why: 'of a server and an issuer',
      options: { serverUrl, issuer, audience },
      message: 'a verifier believes a server or an issuer with its keys, not both',
    },
    {
      why: 'of a server in clear text',
      options: { serverUrl: 'http://authsec.example', audience },
      message: '"http://authsec.example" is not the address of a server',
    },
    {
      why: 'of keys in clear text',
      options: { issuer, jwks: 'http://authsec.example/keys', audience },
      message: '"http://authsec.example/keys" is not the address of a server',
    },
    {
      why: 'of both kinds with one key set',
      options: { issuer, jwks, audience, profiles: ['call', 'base'] },
      message: 'one key set is for one kind of token',
    },
    {
      why: 'of base tokens without tenant',
      options: { jwks, audience, profiles: ['base'] },
      message: 'the issuer of base tokens is their tenant',
    },
    {
      why: 'of base tokens with an issuer',
      options: { issuer, jwks, audience, tenant: TENANT, profiles: ['base'] },
      message: 'the issuer of base tokens is their tenant',
    },
    {
      why: 'of an unknown kind',
      options: { serverUrl, audience, profiles: ['id'] },
      message: '"id" is not a profile',
    },
    {
      why: 'with the algorithm none',
      options: { serverUrl, audience, algorithms: ['none'] },
      message: 'the algorithm "none" cannot be allowed',
    },
    {
      why: 'with HS256',
      options: { serverUrl, audience, algorithms: ['ES256', 'HS256'] },
      message: 'the algorithm "HS256" cannot be allowed',
    },
    {
      why: 'that asks the server about uses as nobody',
      options: { serverUrl, audience, replay: 'server' },
      message: 'the server cannot be asked for "replay" by an API that is not known to it',
    },
    {
      why: 'that asks no server about uses',
      options: { issuer, jwks, audience, replay: 'server', client: { clientId: 'billing' } },
      message: 'the server cannot be asked for "replay" by an API that is not known to it',
    },
    {
      why: 'that asks the server about every token as nobody',
      options: { serverUrl, audience, introspect: true },
      message: 'the server cannot be asked for "introspect" by an API that is not known to it',
    },
    {
      why: 'with metadata in clear text',
      options: { serverUrl, audience, resourceMetadata: 'http://billing.example/x' },
      message: '"http://billing.example/x" is not the address of a server',
    },
    {
      why: 'with no usable key',
      options: { issuer, jwks: { keys: [createKey('RS256', {}, 1024).jwk] }, audience },
      message: 'no key of jwks can verify a signature',
    },
  ])('$why: that is a configuration that cannot work', ({ options, message }) => {
    expect(() => createVerifier(options as VerifierOptions)).toThrow(
      expect.objectContaining({ code: 'configuration', message, hint: expect.stringMatching(/\.$/) }),
    )
  })

  test.each<{ options: object; name: string; of: string; hint: RegExp }>([
    { options: { introspekt: true }, name: 'introspekt', of: 'options', hint: /mean introspect\?$/ },
    { options: { tenannt: TENANT }, name: 'tenannt', of: 'options', hint: /mean tenant\?$/ },
    {
      options: { maxChainDeph: undefined },
      name: 'maxChainDeph',
      of: 'options',
      hint: /mean maxChainDepth\?$/,
    },
    { options: { requireActor: true }, name: 'requireActor', of: 'options', hint: /^There are serverUrl, / },
    {
      options: { tokenCache: { entry: 5 } },
      name: 'entry',
      of: 'tokenCache options',
      hint: /mean entries\?$/,
    },
    {
      options: { client: { clientId: 'billing', credential: {} } },
      name: 'credential',
      of: 'client options',
      hint: /mean credentials\?$/,
    },
  ])('with $name: nobody would heed it', ({ options, name, of, hint }) => {
    expect(() => createVerifier({ serverUrl, audience, ...options })).toThrow(
      expect.objectContaining({
        code: 'configuration',
        message: `"${name}" is not a member of the ${of} of a verifier`,
        hint: expect.stringMatching(hint),
      }),
    )
  })

  test.each([{ tokenCache: 5 }, { client: 'billing' }])('with %j', (options) => {
    expect(() => createVerifier({ serverUrl, audience, ...options } as never)).toThrow(
      expect.objectContaining({
        code: 'configuration',
        message: `no object is given for the ${Object.keys(options)[0]} options of a verifier`,
      }),
    )
  })
})

describe('what a verifier does where nobody says otherwise', () => {
  const settings = readOptions({ serverUrl, audience })

  test.each<[name: keyof typeof settings, usual: unknown]>([
    ['profiles', ['call']],
    ['algorithms', ['ES256', 'RS256']],
    ['clockToleranceSeconds', { usual: 5, oneTime: 0 }],
    ['maxChainDepth', 5],
    ['staleGraceMs', 3_600_000],
    ['tokenCache', { entries: 1_000, seconds: 60 }],
    ['tenant', undefined],
    ['replay', undefined],
    ['introspect', undefined],
    ['useReceipts', false],
  ])('is in its %s', (name, usual) => {
    expect(settings[name]).toEqual(usual)
  })

  test('is in each part of the cache for itself', () => {
    const partial = (tokenCache: object) => readOptions({ serverUrl, audience, tokenCache }).tokenCache
    expect(partial({ entries: 5 })).toEqual({ entries: 5, seconds: 60 })
    expect(partial({ seconds: 5 })).toEqual({ entries: 1_000, seconds: 5 })
  })
})

test('a listener that throws decides nothing about a token', async () => {
  const verifier = createVerifier({
    issuer,
    jwks: 'https://authsec.example/keys',
    audience,
    clock: () => ISSUED_AT,
    fetch: async () => Response.json(jwks),
    onEvent: () => {
      throw new Error('the log is full')
    },
  })
  await expect(verifier.verify(signCall())).resolves.toMatchObject({ user: { id: 'alice' } })
})
