import { describe, expect, test } from 'vitest'
import type { AuthsecClientOptions } from '../../src/sdk/index.js'
import { oauthError } from '../support/stub-authsec.js'
import { createStubbedClient } from '../support/stub-client.js'

const BILLING = 'https://billing.example'
const URL_OF_BILL = `${BILLING}/bill`
const request = { audience: BILLING, permissions: ['billing:read'] }

interface Sent {
  url: string
  method: string
  authorization: string | null
  redirect: string | undefined
}

/** An API that answers in turn what it is told, and after that 200, with a client that calls it. */
function createApi(replies: (() => Response)[] = [], options: Partial<AuthsecClientOptions> = {}) {
  const sent: Sent[] = []
  const api: typeof fetch = async (input, init) => {
    const url = input instanceof Request ? input.url : String(input)
    const authorization = new Headers(init?.headers).get('authorization')
    sent.push({ url, method: init?.method ?? 'GET', authorization, redirect: init?.redirect })
    return (replies.shift() ?? (() => new Response('fine')))()
  }
  return { ...createStubbedClient(options), sent, api }
}

const unauthorized = (error = 'invalid_token', more = '') =>
  new Response('no', { status: 401, headers: { 'www-authenticate': `Bearer error="${error}"${more}` } })

/** A token that is old enough for another one to be better. */
async function createWarmApi(replies: (() => Response)[]) {
  const made = createApi(replies)
  const old = await made.authsec.getDelegationToken(request)
  await made.clock.advance(1_000)
  return { ...made, old, call: made.authsec.fetch(request, { fetch: made.api }) }
}

describe('a delegated fetch', () => {
  test('sends the token with each call, in the place of any other, and lets the rest be', async () => {
    const { authsec, sent, api, stub } = createApi()
    const call = authsec.fetch(request, { fetch: api })
    const answer = await call(URL_OF_BILL, {
      method: 'POST',
      body: '{}',
      headers: { authorization: 'Bearer mine' },
    })
    await call(new Request(`${URL_OF_BILL}/2`, { headers: { authorization: 'Bearer mine' } }))
    expect(await answer.text()).toBe('fine')
    expect(sent.map(({ url, method }) => `${method} ${url}`)).toEqual([
      `POST ${URL_OF_BILL}`,
      `GET ${URL_OF_BILL}/2`,
    ])
    expect(sent.every(({ authorization }) => authorization === `Bearer ${stub.issued[1]}`)).toBe(true)
    expect(stub.count('exchange')).toBe(1)
  })

  test('follows no redirect, which could lead anywhere', async () => {
    const { authsec, sent, api } = createApi([() => Response.redirect('https://evil.example/', 302)])
    const answer = await authsec.fetch(request, { fetch: api })(URL_OF_BILL)
    expect([answer.status, sent.length, sent[0]?.redirect]).toEqual([302, 1, 'manual'])
  })

  test('gets a token for each call where it is bound to one', async () => {
    const { authsec, sent, api } = createApi()
    const call = authsec.fetch({ ...request, tool: 'a', binding: 'call', call: {} }, { fetch: api })
    await call(URL_OF_BILL)
    await call(URL_OF_BILL)
    expect(new Set(sent.map(({ authorization }) => authorization)).size).toBe(2)
  })

  test.each<{ why: string; make: () => { input: URL; change: () => void } }>([
    {
      why: 'URL',
      make: () => {
        const input = new URL(URL_OF_BILL)
        return { input, change: () => Object.assign(input, { host: 'evil.example' }) }
      },
    },
    {
      why: 'text that is made anew each time',
      make: () => {
        let asked = 0
        const spell = () => (asked++ === 0 ? URL_OF_BILL : 'https://evil.example/')
        return { input: { toString: spell } as never, change: () => undefined }
      },
    },
  ])('sends to the address that was checked, whatever becomes of the $why', async ({ make }) => {
    const { authsec, sent, api } = createApi()
    const { input, change } = make()
    const init = { method: 'DELETE' }
    const calling = authsec.fetch(request, { fetch: api })(input, init)
    change()
    init.method = 'POST'
    await calling
    expect(sent.map(({ url, method }) => `${method} ${url}`)).toEqual([`DELETE ${URL_OF_BILL}`])
  })

  test('is for the request as it was when it was made', async () => {
    const { authsec, stub, api } = createApi()
    const asked = { ...request, permissions: [...request.permissions] }
    const call = authsec.fetch(asked, { fetch: api })
    asked.audience = 'https://profile.example'
    asked.permissions.push('profile:read')
    await call(URL_OF_BILL)
    const { form } = stub.requests.at(-1) ?? {}
    expect([form?.get('resource'), form?.get('scope')]).toEqual([BILLING, 'billing:read'])
  })

  test('asks for what the request inherits, with a signal of the call as well', async () => {
    const { authsec, stub, api } = createApi()
    const call = authsec.fetch(Object.create(request), { fetch: api })
    await call(URL_OF_BILL, { signal: new AbortController().signal })
    expect(stub.requests.at(-1)?.form.get('scope')).toBe('billing:read')
  })

  test('gives up waiting for a token with the request or with the call', async () => {
    const { authsec, api, sent } = createApi()
    const signal = AbortSignal.abort()
    await expect(authsec.fetch(request, { fetch: api })(URL_OF_BILL, { signal })).rejects.toMatchObject({
      name: 'AbortError',
    })
    await expect(authsec.fetch({ ...request, signal }, { fetch: api })(URL_OF_BILL)).rejects.toMatchObject({
      name: 'AbortError',
    })
    expect(sent).toHaveLength(0)
  })

  test('fails with what getting the token fails with', async () => {
    const { authsec, stub, api, sent } = createApi()
    stub.script('exchange', () => oauthError(400, 'invalid_scope', 'no'))
    await expect(authsec.fetch(request, { fetch: api })(URL_OF_BILL)).rejects.toMatchObject({
      code: 'invalid_scope',
    })
    expect(sent).toHaveLength(0)
  })
})

describe('the origins of an API', () => {
  test.each([
    'https://evil.example/bill',
    'http://billing.example/bill',
    'https://billing.example:8443/bill',
    'https://billing.example.evil.example/bill',
    'https://billing.example@evil.example/bill',
  ])('do not include %s, and nothing is asked or sent', async (url) => {
    const { authsec, api, sent, stub } = createApi()
    await expect(authsec.fetch(request, { fetch: api })(url)).rejects.toMatchObject({
      code: 'origin_rejected',
    })
    expect([sent.length, stub.requests.length]).toEqual([0, 0])
  })

  const audiences = {
    billing: { resource: BILLING, origins: ['http://127.0.0.1:4000', 'https://b.example'] },
  }

  test.each(['billing', BILLING])('are those that were named: for %s', async (audience) => {
    const { authsec, api, sent } = createApi([], { audiences })
    const call = authsec.fetch({ ...request, audience }, { fetch: api })
    await call('http://127.0.0.1:4000/bill')
    await call('https://b.example/bill')
    await expect(call(URL_OF_BILL)).rejects.toMatchObject({ code: 'origin_rejected' })
    expect(sent).toHaveLength(2)
  })

  test('may be left out where the resource is an address', async () => {
    const { authsec, api, sent } = createApi([], { audiences: { billing: { resource: `${BILLING}/v1` } } })
    await authsec.fetch({ ...request, audience: 'billing' }, { fetch: api })(URL_OF_BILL)
    expect(sent).toHaveLength(1)
  })

  test.each([
    { why: 'an API without an address', asked: { audience: 'urn:billing' }, code: 'configuration' },
    {
      why: 'an address that anybody can listen to',
      asked: { audience: 'http://billing.example' },
      code: 'configuration',
    },
    { why: 'no audience', asked: {}, code: 'request_invalid' },
  ])('have to be known: $why', ({ asked, code }) => {
    const { authsec } = createApi()
    expect(() => authsec.fetch(asked)).toThrow(expect.objectContaining({ code }))
  })

  test.each([
    { options: { replay: 'allways' }, says: 'replay "allways" is not one of safe, always' },
    { options: { repaly: 'always' }, says: '"repaly" is not a member of the options of a fetch' },
  ])('are not fetched from with %j', ({ options, says }) => {
    const { authsec } = createApi()
    expect(() => authsec.fetch(request, options as never)).toThrow(
      expect.objectContaining({ code: 'configuration', message: says }),
    )
  })

  test.each<{ why: string; audiences: unknown; says?: string }>([
    { why: 'no resource', audiences: { billing: {} } },
    {
      why: 'a member that is misspelt',
      audiences: { billing: { resource: BILLING, origin: ['https://b.example'] } },
      says: '"origin" is not a member of the options of the audience "billing"',
    },
    {
      why: 'no options',
      audiences: { billing: BILLING },
      says: 'no object is given for the options of the audience',
    },
    {
      why: 'one resource twice',
      audiences: {
        eu: { resource: BILLING, origins: ['https://eu.example'] },
        us: { resource: BILLING, origins: ['https://us.example'] },
      },
      says: `two audiences have the resource "${BILLING}"`,
    },
    {
      why: 'an origin without encryption',
      audiences: { billing: { resource: BILLING, origins: ['http://b.example'] } },
    },
    { why: 'an origin that is none', audiences: { billing: { resource: BILLING, origins: ['billing'] } } },
  ])('are checked when the client is made: $why', ({ audiences: wrong, says = '' }) => {
    expect(() => createApi([], { audiences: wrong as never })).toThrow(
      expect.objectContaining({ code: 'configuration', message: expect.stringContaining(says) }),
    )
  })

  test.each<{ why: string; asked: object }>([
    { why: 'inherited', asked: Object.create({ ...request, audience: 'billing' }) },
    {
      why: 'answered by a function',
      asked: new (class {
        get audience() {
          return 'billing'
        }
        get permissions() {
          return request.permissions
        }
      })(),
    },
  ])('names leave the rest of a request as it is, where it is $why', async ({ asked }) => {
    const { authsec, stub } = createApi([], { audiences: { billing: { resource: BILLING } } })
    expect(await authsec.getDelegationToken(asked)).toMatchObject({ permissions: ['billing:read'] })
    expect(stub.requests.at(-1)?.form.get('scope')).toBe('billing:read')
    expect(authsec.peek(asked)).toBeDefined()
  })

  test('a name stands for one resource, also where that is the name of another', async () => {
    const { authsec, stub, api } = createApi([], {
      audiences: { billing: { resource: BILLING }, [BILLING]: { resource: 'https://profile.example' } },
    })
    await authsec.fetch({ ...request, audience: 'billing' }, { fetch: api })(URL_OF_BILL)
    expect(stub.requests.at(-1)?.form.get('resource')).toBe(BILLING)
  })

  test('names stand for the resource in every request', async () => {
    const { authsec, stub } = createApi([], { audiences })
    const token = await authsec.getDelegationToken({ ...request, audience: 'billing' })
    expect(token.audience).toEqual([BILLING])
    expect(authsec.peek(request)).toMatchObject({ jti: token.jti })
    expect(stub.count('exchange')).toBe(1)
  })
})

describe('a token that the API refuses', () => {
  test.each([
    { why: 'as invalid', reply: () => unauthorized() },
    { why: 'without a word', reply: () => new Response('no', { status: 401 }) },
  ])('is replaced, and the call repeated once: $why', async ({ reply }) => {
    const { call, sent, old, events, authsec } = await createWarmApi([reply])
    expect((await call(URL_OF_BILL)).status).toBe(200)
    expect(sent.map(({ authorization }) => authorization === old.authorization())).toEqual([true, false])
    expect(events).toContainEqual({ type: 'token.rejected', jti: old.jti, auditId: old.auditId })
    expect(authsec.peek(request)?.jti).toBe('call-2')
  })

  test('costs one exchange however many notice: parallel 401 × 50', async () => {
    const { call, sent, stub } = await createWarmApi(Array.from({ length: 50 }, () => () => unauthorized()))
    const answers = await Promise.all(Array.from({ length: 50 }, () => call(URL_OF_BILL)))
    expect(answers.every(({ status }) => status === 200)).toBe(true)
    expect([stub.count('exchange'), sent.length]).toEqual([2, 100])
  })

  test('leaves its successor alone: late 401 after replacement', async () => {
    const { call, sent, stub, authsec, clock } = await createWarmApi([])
    let answer = (_: Response) => {}
    const held = authsec.fetch(request, {
      fetch: async () =>
        sent.push({ url: '', method: '', authorization: '', redirect: undefined }) === 1
          ? new Promise<Response>((resolve) => {
              answer = resolve
            })
          : new Response('fine'),
    })(URL_OF_BILL)
    await clock.advance(1)
    await authsec.getDelegationToken({ ...request, forceRefresh: true })
    answer(unauthorized())
    expect((await held).status).toBe(200)
    expect(stub.count('exchange')).toBe(2)
    expect((await call(URL_OF_BILL)).status).toBe(200)
    expect(authsec.peek(request)?.jti).toBe('call-2')
  })

  test('twice is the end of it', async () => {
    const { call, sent, authsec } = await createWarmApi([() => unauthorized(), () => unauthorized()])
    await expect(call(URL_OF_BILL)).rejects.toMatchObject({ code: 'token_rejected', auditId: 'audit-2' })
    expect(sent).toHaveLength(2)
    expect(authsec.peek(request)).toBeUndefined()
  })

  test.each([0, 999])('is not replaced by one like it when it is %d ms old', async (age) => {
    const { authsec, api, stub, sent, clock } = createApi([() => unauthorized()])
    await authsec.getDelegationToken(request)
    await clock.advance(age)
    await expect(authsec.fetch(request, { fetch: api })(URL_OF_BILL)).rejects.toMatchObject({
      code: 'token_rejected',
    })
    expect([stub.count('exchange'), sent.length]).toEqual([1, 1])
  })

  test('is not sent again when the server has no other', async () => {
    const { authsec, api, sent, clock } = createApi([() => unauthorized()], { transport: 'pull' })
    await authsec.getDelegationToken()
    await clock.advance(1_000)
    await expect(authsec.fetch(request, { fetch: api })(URL_OF_BILL)).rejects.toMatchObject({
      code: 'token_rejected',
    })
    expect(sent).toHaveLength(1)
  })
})

describe('a call that must not be repeated', () => {
  const stream = () => new Blob(['{}']).stream()

  test.each<{ why: string; init: RequestInit; options?: object }>([
    { why: 'POST', init: { method: 'POST', body: '{}' } },
    { why: 'PATCH', init: { method: 'PATCH', body: '{}' } },
    { why: 'POST with stream body', init: { method: 'POST', body: stream(), duplex: 'half' } as RequestInit },
    {
      why: 'POST with stream body, although told to repeat',
      init: { method: 'POST', body: stream(), duplex: 'half' } as RequestInit,
      options: { replay: 'always' },
    },
    { why: 'PUT of a stream', init: { method: 'PUT', body: stream(), duplex: 'half' } as RequestInit },
  ])('is the caller’s to repeat, with the token gone: $why', async ({ init, options }) => {
    const { authsec, api, sent } = await createWarmApi([() => unauthorized()])
    const answer = await authsec.fetch(request, { fetch: api, ...options })(URL_OF_BILL, init)
    expect([answer.status, await answer.text(), sent.length]).toEqual([401, 'no', 1])
    expect(authsec.peek(request)).toBeUndefined()
  })

  test('is one with the body of a Request as well', async () => {
    const { call, sent } = await createWarmApi([() => unauthorized()])
    const answer = await call(new Request(URL_OF_BILL, { method: 'PUT', body: '{}' }))
    expect([answer.status, sent.length]).toEqual([401, 1])
  })

  test.each<{ why: string; init: RequestInit; options?: object }>([
    { why: 'PUT', init: { method: 'PUT', body: '{}' } },
    { why: 'DELETE', init: { method: 'delete' } },
    { why: 'HEAD', init: { method: 'HEAD' } },
    { why: 'OPTIONS', init: { method: 'OPTIONS' } },
    { why: 'an idempotency key', init: { method: 'POST', body: '{}', headers: { 'Idempotency-Key': 'a' } } },
    {
      why: 'the wish of the caller',
      init: { method: 'POST', body: new URLSearchParams({ a: '1' }) },
      options: { replay: 'always' },
    },
  ])('is none with $why', async ({ init, options }) => {
    const { authsec, api, sent } = await createWarmApi([() => unauthorized()])
    const answer = await authsec.fetch(request, { fetch: api, ...options })(URL_OF_BILL, init)
    expect([answer.status, sent.length]).toEqual([200, 2])
  })
})

describe('what the API wants beside the token', () => {
  test('of the user is said, and never done by itself', async () => {
    const challenge = ', acr_values="urn:example:gold", max_age="60"'
    const { call, sent, stub } = await createWarmApi([
      () => unauthorized('insufficient_user_authentication', challenge),
    ])
    await expect(call(URL_OF_BILL)).rejects.toMatchObject({
      code: 'step_up_required',
      action: 'step_up',
      details: { acr_values: 'urn:example:gold', max_age: '60' },
    })
    expect([sent.length, stub.count('exchange')]).toEqual([1, 1])
  })

  test('of permissions is said, and never added by itself', async () => {
    const { call, sent, authsec } = await createWarmApi([
      () =>
        new Response('no', {
          status: 403,
          headers: {
            'www-authenticate': 'Bearer error="insufficient_scope", scope="billing:read billing:refund"',
          },
        }),
    ])
    await expect(call(URL_OF_BILL)).rejects.toMatchObject({
      code: 'scope_required',
      message: expect.stringContaining('billing:refund is missing'),
      details: { missing: 'billing:refund' },
    })
    expect(sent).toHaveLength(1)
    expect(authsec.peek(request)).toBeDefined()
  })

  test.each([
    { why: 'a mismatched call', reply: () => Response.json({ code: 'call_mismatch' }, { status: 403 }) },
    { why: 'a replayed token', reply: () => Response.json({ code: 'replayed' }, { status: 403 }) },
    { why: 'too many calls', reply: () => new Response('', { status: 429 }) },
    { why: 'a fault', reply: () => new Response('', { status: 500 }) },
    { why: 'a request that is wrong', reply: () => unauthorized('invalid_request') },
  ])('of anything else is the caller’s to read: $why', async ({ reply }) => {
    const { call, sent, authsec } = await createWarmApi([reply])
    expect((await call(URL_OF_BILL)).status).toBe(reply().status)
    expect(sent).toHaveLength(1)
    expect(authsec.peek(request)).toBeDefined()
  })
})
