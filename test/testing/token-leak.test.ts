import { AIMessage } from '@langchain/core/messages'
import { RunCollectorCallbackHandler } from '@langchain/core/tracers/run_collector'
import { MemorySaver } from '@langchain/langgraph'
import { createAgent, fakeModel } from 'langchain'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { AuthsecCallbackHandler, delegatedTool, delegationContext } from '../../src/langchain/index.js'
import { requireDelegation } from '../../src/middleware/web.js'
import { expectNoTokenLeak, type WatchedRun } from '../../src/testing/index.js'

const BILLING = 'https://billing.example'
const request = { audience: BILLING, permissions: ['billing:read'] }

/** What a process says of what nobody has taken care of. */
const EVENTS = ['uncaughtException', 'uncaughtExceptionMonitor', 'unhandledRejection', 'warning'] as const

// The test runner's own listeners would count what is planted here as its errors.
let putBack: (() => void)[]
beforeEach(() => {
  putBack = (['uncaughtException', 'unhandledRejection'] as const).map((event) => {
    const listeners = process.rawListeners(event)
    process.removeAllListeners(event)
    return () => {
      process.removeAllListeners(event)
      for (const listener of listeners) process.on(event, listener as () => void)
    }
  })
  process.on('uncaughtException', () => {})
})
afterEach(() => {
  for (const each of putBack) each()
})

/** A value within others, next to what cannot be read. */
function bury(value: unknown, depth: number): object {
  const bad = () => {
    throw new Error('not readable')
  }
  const within = depth === 0 ? value : bury(value, depth - 1)
  return Object.defineProperty({ within }, 'bad', { enumerable: true, get: bad })
}

/** Shows nothing of itself where it is asked, and has it all the same. */
class Shy {
  readonly kept: string

  constructor(kept: string) {
    this.kept = kept
  }

  toJSON(): string {
    return 'Shy'
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return 'Shy'
  }
}

describe('expectNoTokenLeak', () => {
  test('finds nothing after a whole run: tracer, handler, checkpointer, errors, console and inspect', async () => {
    const answer = await expectNoTokenLeak(async ({ authsec, callbacks, watch }) => {
      const tracer = new RunCollectorCallbackHandler()
      const reports: unknown[] = []
      const handler = new AuthsecCallbackHandler({ onToolRun: (report) => reports.push(report) })
      const checkpointer = new MemorySaver()
      const getBill = delegatedTool(
        authsec,
        async (_input: object, { token }) => {
          const bill = await token()
          // A careless tool: it prints the token, and gives it to the model.
          console.log(bill)
          return { bill }
        },
        { name: 'get_bill', schema: { type: 'object', properties: {} }, delegation: request },
      )
      const refund = delegatedTool(authsec, async (_input: object, { token }) => (await token()).jti, {
        name: 'refund',
        schema: { type: 'object', properties: {} },
        delegation: { audience: BILLING, permissions: ['billing:refund'] },
      })
      const model = fakeModel()
        .respondWithTools([{ name: 'get_bill', args: {}, id: 'a' }])
        .respondWithTools([{ name: 'refund', args: {}, id: 'b' }])
        .respond(new AIMessage('done'))
      const agent = createAgent({ model, tools: [getBill, refund], checkpointer })
      const config: object = {
        callbacks: [...callbacks, tracer, handler],
        configurable: { thread_id: 'thread-1' },
      }
      const input = { messages: [{ role: 'user', content: 'my bill' }] }
      const streamed: unknown[] = []
      for await (const event of agent.streamEvents(input, { ...config, version: 'v2' })) streamed.push(event)
      const thrown = await authsec
        .getDelegationToken({ ...request, permissions: ['billing:refund'] })
        .catch((error) => error)
      const state = await agent.graph.getState({ configurable: { thread_id: 'thread-1' } })
      const left = { tracer, reports, checkpointer, thrown, state, streamed }
      for (const [place, value] of Object.entries(left)) watch(place, value)
      return state.values.messages.at(-1)?.text
    })
    expect(answer).toBe('done')
  })

  test('finds nothing after a run for a user who approves a call of the delegated fetch', async () => {
    const policies = [{ permissions: ['billing:refund'], resources: [BILLING] }]
    const answer = await expectNoTokenLeak(
      async ({ authsec, callbacks, watch, signIn, createVerifier }) => {
        const verifier = createVerifier(BILLING)
        const api = requireDelegation(
          verifier,
          { tool: 'refund', call: { bound: ['amount'] } },
          (_request, { user }) => Response.json({ for: user.id }),
        )
        const refund = delegatedTool(
          authsec,
          async (input: object, { fetch }) => {
            const sent = await fetch(`${BILLING}/refunds`, { method: 'POST', body: JSON.stringify(input) })
            return sent.text()
          },
          {
            name: 'refund',
            schema: { type: 'object', properties: { amount: { type: 'string' } } },
            delegation: {
              audience: BILLING,
              permissions: ['billing:refund'],
              approval: true,
              requireSubject: true,
              fetch: (input, init) => api(new Request(input, init)),
            },
          },
        )
        const model = fakeModel()
          .respondWithTools([{ name: 'refund', args: { amount: '1' }, id: 'a' }])
          .respond(new AIMessage('done'))
        const tracer = new RunCollectorCallbackHandler()
        const checkpointer = new MemorySaver()
        const agent = createAgent({ model, tools: [refund], checkpointer })
        const subject = await signIn('bob')
        const input = { messages: [{ role: 'user', content: 'refund me' }] }
        const config: object = {
          callbacks: [...callbacks, tracer],
          configurable: { thread_id: 'thread-1' },
          context: delegationContext(subject),
        }
        const { messages } = await agent.invoke(input, config)
        for (const [place, value] of Object.entries({ tracer, checkpointer, subject, config }))
          watch(place, value)
        return messages.find((message) => message.type === 'tool')?.text
      },
      { policies, approvals: 'auto-approve' },
    )
    expect(answer).toMatch(/^\{"for":"[\w-]+"\}$/)
  })

  test.each<{ where: string; leak: (run: WatchedRun, jwt: string) => unknown }>([
    { where: 'the result', leak: (_run, jwt) => ({ deep: [{ jwt }] }) },
    { where: 'the output', leak: (_run, jwt) => console.log('got %s', jwt) },
    { where: 'the output', leak: (_run, jwt) => process.stderr.write(`${jwt}\n`) },
    {
      where: 'what was thrown',
      leak(_run, jwt) {
        throw new Error('failed', { cause: { jwt } })
      },
    },
    { where: 'the output', leak: (_run, jwt) => console.dirxml(jwt) },
    { where: 'the output', leak: (_run, jwt) => process.nextTick(() => console.log(jwt)) },
    { where: 'the output', leak: (_run, jwt) => void setImmediate(() => console.log(jwt)) },
    { where: 'a warning', leak: (_run, jwt) => process.emitWarning(jwt) },
    { where: 'a warning', leak: (_run, jwt) => process.emitWarning('odd', { detail: jwt }) },
    { where: 'an unhandled rejection', leak: (_run, jwt) => void Promise.reject(new Error(jwt)) },
    {
      where: 'an uncaught exception',
      leak: (_run, jwt) =>
        void setImmediate(() => {
          throw new Error('failed', { cause: jwt })
        }),
    },
    { where: 'a list', leak: ({ watch }, jwt) => watch('a list', [new Map([['token', jwt]])]) },
    {
      where: 'a list',
      leak({ watch }, jwt) {
        watch('a list', jwt)
        watch('a list', 'another value by the same name')
      },
    },
    { where: 'a warning', leak: ({ watch }, jwt) => watch('a warning', jwt) },
    { where: 'a checkpoint', leak: ({ watch }, jwt) => watch('a checkpoint', new TextEncoder().encode(jwt)) },
    {
      where: 'a driver',
      leak: ({ watch }, jwt) => watch('a driver', { rows: [Buffer.from(`{"a":"${jwt}"}`)] }),
    },
    {
      where: 'raw memory',
      leak: ({ watch }, jwt) => watch('raw memory', new TextEncoder().encode(jwt).buffer),
    },
    { where: 'the result', leak: (_run, jwt) => jwt.split('.')[1] },
    ...['x', 'xx', 'xxx'].map((user) => ({
      where: 'the result',
      leak: (_run: WatchedRun, jwt: string) => btoa(`${user}:${jwt}:`),
    })),
    { where: 'the result', leak: (_run, jwt) => Buffer.from(`?${jwt}`).toString('base64url') },
    { where: 'a deep place', leak: ({ watch }, jwt) => watch('a deep place', bury(jwt, 40)) },
    { where: 'a shy class', leak: ({ watch }, jwt) => watch('a shy class', new Shy(jwt)) },
    { where: 'the result', leak: (_run, jwt) => Buffer.from(jwt).toString('base64') },
    { where: 'the result', leak: (_run, jwt) => Buffer.from(jwt).toString('hex') },
    { where: 'the result', leak: (_run, jwt) => Buffer.from(jwt).toString('hex').toUpperCase() },
    {
      where: 'a callback',
      async leak({ callbacks, authsec }) {
        const careless = delegatedTool(
          authsec,
          async (_input: object, { token }) => (await token()).reveal(),
          {
            name: 'get_bill',
            schema: { type: 'object', properties: {} },
            delegation: request,
          },
        )
        await careless.invoke({}, { callbacks: [...callbacks] as never })
      },
    },
  ])('finds a token that was left in $where, and does not repeat it', async ({ where, leak }) => {
    let jwt = ''
    const failure = await expectNoTokenLeak(async (run) => {
      jwt = (await run.authsec.getDelegationToken(request)).reveal()
      return leak(run, jwt)
    }).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'token_leaked', message: expect.stringContaining(where) })
    expect(String(failure)).not.toContain(jwt)
  })

  test('says of each place which tokens are in it', async () => {
    const leaking = expectNoTokenLeak(async ({ authsec, watch }) => {
      const fetchAnew = async () =>
        (await authsec.getDelegationToken({ ...request, forceRefresh: true })).reveal()
      const tokens = [await fetchAnew(), await fetchAnew()]
      for (const token of tokens) watch('a list', token)
    })
    await expect(leaking).rejects.toMatchObject({
      message: 'token 2 is in a list, token 3 is in a list',
      details: { 'a list': '2, 3' },
    })
  })

  test('passes on what a run without a leak returns or throws', async () => {
    const run = async ({ authsec }: WatchedRun) => (await authsec.getDelegationToken(request)).permissions
    expect(await expectNoTokenLeak(run)).toEqual(['billing:read'])
    const failing = expectNoTokenLeak(async (watched) => {
      await run(watched)
      throw new RangeError('no such bill')
    })
    await expect(failing).rejects.toThrow(RangeError)
  })

  test('throws an unhandled rejection that nobody else hears, as Node would have', async () => {
    const rejected = new RangeError('no such bill')
    const leaving = expectNoTokenLeak(async ({ authsec }) => {
      await authsec.getDelegationToken(request)
      void Promise.reject(rejected)
    })
    await expect(leaving).rejects.toBe(rejected)
  })

  test('leaves an unhandled rejection to those who listen', async () => {
    const heard = vi.fn()
    process.on('unhandledRejection', heard)
    const result = await expectNoTokenLeak(async ({ authsec }) => {
      await authsec.getDelegationToken(request)
      void Promise.reject(new RangeError('no such bill'))
      return 'done'
    })
    expect([result, heard.mock.calls.length]).toEqual(['done', 1])
  })

  test('listens no longer than it watches, and puts back what it has changed', async () => {
    const { log } = console
    const { write } = process.stdout
    const count = () => EVENTS.map((event) => process.listenerCount(event))
    const before = count()
    await expectNoTokenLeak(async ({ authsec }) => {
      await authsec.getDelegationToken(request)
      expect(count()).not.toEqual(before)
      throw new RangeError('no such bill')
    }).catch(() => {})
    expect(count()).toEqual(before)
    expect(console.log).toBe(log)
    expect(process.stdout.write).toBe(write)
  })

  test('is no proof where no token was issued', async () => {
    await expect(expectNoTokenLeak(async () => 'nothing')).rejects.toMatchObject({ code: 'token_leaked' })
  })
})
