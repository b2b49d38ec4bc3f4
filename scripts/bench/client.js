// What an agent spends on its tokens: how often it asks the server, what a token from the cache costs, what a tool call
// costs more than without delegation, and how much of the package a page or a function has to load.

import { mock } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { tool } from '@langchain/core/tools'
import { z } from 'zod'
import { compareSeries } from './ratio.js'
import { repeatInTurn } from './repeat.js'
import { measureSize } from './size.js'
import { TOKEN_CACHES } from './token-caches.js'

const DIST = new URL('../../dist/', import.meta.url)
const REQUEST = { audience: 'https://billing.example', permissions: ['billing:read'] }
const LIFETIME_SECONDS = 60

export const client = {
  name: 'client',
  title: 'tokens of an agent',

  async measure() {
    return [
      // First, as in a program that has one clock: where several were used, reading the time is no longer compiled in.
      ...(await measureCacheHits()),
      await countColdCalls(),
      ...(await countColdCallsOfOthers()),
      await countSteadyCalls(),
      ...(await countSteadyCallsOfOthers()),
      await measureToolCall(),
      ...(await listSizes('the client', 8, ['sdk'])),
      ...(await listSizes('the client and the verifier', 14, ['sdk', 'verify'])),
      // Without the client that it is handed.
      ...(await listSizes('the adapter of LangChain', 3, ['langchain'], { without: ['sdk', 'core'] })),
    ]
  },
}

async function countColdCalls() {
  return await withAgent(async ({ authsec, countExchanges }) => {
    await Promise.all(Array.from({ length: 1_000 }, () => authsec.getDelegationToken(REQUEST)))
    return count('exchanges for 1,000 cold calls at once', countExchanges(), 1)
  })
}

async function countSteadyCalls() {
  return await withAgent(async ({ authsec, clock, countExchanges }) => {
    for (let second = 0; second < 600; second++) {
      await authsec.getDelegationToken({ ...REQUEST, ttlSeconds: LIFETIME_SECONDS })
      await clock.advance(1_000)
    }
    return count('exchanges for 600 calls, one a second', countExchanges(), 15)
  })
}

/** How often the caches of others ask when all calls come at once. */
async function countColdCallsOfOthers() {
  return await countExchangesOfOthers(async (getToken) => {
    await Promise.all(Array.from({ length: 1_000 }, getToken))
  })
}

async function countSteadyCallsOfOthers() {
  return await countExchangesOfOthers(async (getToken) => {
    mock.timers.enable({ apis: ['Date'], now: Date.now() })
    try {
      for (let second = 0; second < 600; second++) {
        await getToken()
        // Whoever refreshes behind a call is done before the next one.
        await delay(0)
        mock.timers.tick(1_000)
      }
    } finally {
      mock.timers.reset()
    }
  })
}

async function countExchangesOfOthers(call) {
  const lines = []
  for (const { name, create } of TOKEN_CACHES) {
    const { issue, countIssued } = createIssuer(LIFETIME_SECONDS)
    await call(await create(issue))
    lines.push({ what: `… by ${name}`, value: countIssued() })
  }
  return lines
}

/** Makes tokens of no meaning, later than at once, as over a network. */
function createIssuer(expiresIn) {
  let count = 0
  return {
    countIssued: () => count,
    async issue() {
      const token = `token-${++count}`
      await new Promise((resolve) => setImmediate(resolve))
      return { token, expiresIn, expiresAt: Date.now() + expiresIn * 1_000 }
    },
  }
}

async function measureCacheHits() {
  const caches = []
  for (const { create } of TOKEN_CACHES) caches.push(await create(createIssuer(3_600).issue))
  // All of them read the time from the machine: a clock that stands costs nothing to read.
  const { systemClock } = await import(new URL('sdk/clock.js', DIST))
  const answer = Promise.resolve('a token')
  const answerAtOnce = () => (systemClock.wall() > 0 ? answer : undefined)
  return await withAgent(async ({ createClient }) => {
    const authsec = createClient(undefined, { clock: systemClock })
    const getToken = () => authsec.getDelegationToken(REQUEST)
    const [own, floor, ...others] = await repeatInTurn([getToken, answerAtOnce, ...caches])
    const lines = TOKEN_CACHES.map(({ name }, index) => ({
      what: `${name}: time of a cache hit`,
      ratio: compareSeries(others[index], own),
      aim: name === 'AWS memoize' ? { atMost: 0.6 } : undefined,
    }))
    // What nobody can do without who answers with a promise and knows the time.
    return [
      ...lines,
      { what: 'AWS memoize: one clock and a promise', ratio: compareSeries(others[0], floor) },
    ]
  })
}

/** A tool that does nothing else, with a token from the cache and without one. */
async function measureToolCall() {
  const { delegatedTool } = await import(new URL('langchain/index.js', DIST))
  const fields = { name: 'read_bill', description: 'Reads a bill.', schema: z.object({ id: z.string() }) }
  return await withAgent(async ({ authsec }) => {
    const readBill = async ({ id }) => `bill ${id}`
    const plain = tool(readBill, fields)
    const delegated = delegatedTool(
      authsec,
      async (input, { token }) => {
        await token()
        return readBill(input)
      },
      { ...fields, delegation: REQUEST },
    )
    const works = [delegated, plain].map((one) => () => one.invoke({ id: 'b-1' }))
    const [own, bare] = await repeatInTurn(works)
    return { what: 'the same tool: time of a call', ratio: compareSeries(bare, own), aim: { atMost: 1.2 } }
  })
}

/** What is loaded at once is what the aim is for; what is loaded only once it is used stands beside it. */
async function listSizes(what, atMost, entries, options) {
  const { loaded, later } = await measureSize(entries, options)
  const lines = [count(`kB of ${what}, gzipped`, loaded / 1_000, atMost)]
  if (later > 0) lines.push({ what: `kB of it that wait until needed`, value: later / 1_000 })
  return lines
}

/** An agent, its server and a clock that stands, all in this process. */
async function withAgent(work) {
  const { createTestAuthsec } = await import(new URL('testing/index.js', DIST))
  const { authsec, clock, server, createClient, close } = await createTestAuthsec({ now: Date.now() })
  try {
    const countExchanges = () => server.issued.filter(isCallToken).length
    return await work({ authsec, clock, createClient, countExchanges })
  } finally {
    await close()
  }
}

function isCallToken(token) {
  return JSON.parse(Buffer.from(token.split('.')[0], 'base64url')).typ === 'at+jwt'
}

/** A number that is no ratio: it is the same in every run. */
function count(what, value, atMost) {
  return { what, value, aim: { atMost } }
}
