import { describe, expect, test } from 'vitest'
import { type AuthsecClientOptions, createAuthsecClient } from '../../src/sdk/index.js'
import { resolveOptions } from '../../src/sdk/options.js'
import { STUB_CLIENT_ID, STUB_URL } from '../support/stub-authsec.js'

const good = { serverUrl: STUB_URL, clientId: STUB_CLIENT_ID }

describe('createAuthsecClient', () => {
  test.each<{ why: string; options: object; says: RegExp }>([
    { why: 'no server', options: { clientId: STUB_CLIENT_ID }, says: /serverUrl is missing/ },
    { why: 'an empty server', options: { ...good, serverUrl: '' }, says: /serverUrl is missing/ },
    {
      why: 'a server in the clear',
      options: { ...good, serverUrl: 'http://authsec.example' },
      says: /authsec\.example/,
    },
    { why: 'a server that is no URL', options: { ...good, serverUrl: 'authsec' }, says: /"authsec"/ },
    { why: 'no client id', options: { serverUrl: STUB_URL }, says: /clientId is missing/ },
    {
      why: 'a client id that is a name',
      options: { ...good, clientId: 'demo-agent' },
      says: /"demo-agent" is not a UUID/,
    },
    {
      why: 'an unknown option',
      options: { ...good, credential: 'hunter2' },
      says: /"credential" is not a member of the options of a client/,
    },
    { why: 'an unknown transport', options: { ...good, transport: 'push' }, says: /"push"/ },
    { why: 'an unknown way to narrow', options: { ...good, narrow: true }, says: /"true"/ },
    { why: 'no room', options: { ...good, cache: { capacity: 0 } }, says: /cache\.capacity "0"/ },
    { why: 'half a place', options: { ...good, cache: { capacity: 1.5 } }, says: /"1\.5"/ },
    {
      why: 'an unknown cache option',
      options: { ...good, cache: { size: 1 } },
      says: /"size" is not a member of the cache options/,
    },
    {
      why: 'a cache that is none',
      options: { ...good, cache: 5 },
      says: /no object is given for the cache options/,
    },
    { why: 'an unknown http option', options: { ...good, http: { timeoutMs: 1 } }, says: /"timeoutMs"/ },
    { why: 'no time', options: { ...good, http: { totalTimeoutMs: -1 } }, says: /http\.totalTimeoutMs "-1"/ },
    {
      why: 'more time than a caller is to wait',
      options: { ...good, http: { totalTimeoutMs: 5_001 } },
      says: /http\.totalTimeoutMs "5001" is not a whole number from 1 to 5000/,
    },
    {
      why: 'more time than timers have',
      options: { ...good, http: { attemptTimeoutMs: 2 ** 31 } },
      says: /http\.attemptTimeoutMs "2147483648" is not a whole number from 1 to 2147483647/,
    },
    {
      why: 'a fetch that is none',
      options: { ...good, fetch: 'node-fetch' },
      says: /fetch is not a function/,
    },
    { why: 'an observer that is none', options: { ...good, onEvent: {} }, says: /onEvent is not a function/ },
  ])('refuses $why', ({ options, says }) => {
    const create = () => createAuthsecClient(options as AuthsecClientOptions)
    expect(create).toThrow(expect.objectContaining({ code: 'configuration' }))
    expect(create).toThrow(says)
    expect(create).not.toThrow(/hunter2/)
  })

  test('needs two values and has a default for the rest', () => {
    expect(resolveOptions(good)).toMatchObject({
      transport: 'auto',
      narrow: 'best-effort',
      cache: { capacity: 1_000, maxTtlSeconds: 900 },
      http: { attemptTimeoutMs: 2_500, totalTimeoutMs: 5_000, maxAttempts: 3 },
    })
    expect(resolveOptions({ ...good, cache: { capacity: 5 } }).cache).toEqual({
      capacity: 5,
      perSubject: 64,
      maxTtlSeconds: 900,
      strictTtl: false,
    })
  })

  test('takes undefined for what is left out', () => {
    const none = undefined
    const options = { credentials: none, audiences: none, cache: none, http: none, clock: none, random: none }
    const choices = { transport: none, narrow: none, onEvent: none, fetch: none }
    expect(() => createAuthsecClient({ ...good, ...options, ...choices })).not.toThrow()
  })

  test('sends nothing before it is asked', () => {
    let sent = 0
    createAuthsecClient({ ...good, fetch: async () => new Response(String(sent++)) })
    expect(sent).toBe(0)
  })
})
