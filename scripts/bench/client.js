// What an agent spends on its tokens: how often it asks the server, what a token from the cache costs, what a tool call
// costs more than without delegation, and how much of the package a page or a function has to load.

import { tool } from '@langchain/core/tools'
import { z } from 'zod'
import { importPeer } from './peers.js'
import { compareSeries } from './ratio.js'
import { repeatInTurn } from './repeat.js'
import { measureSize } from './size.js'

const DIST = new URL('../../dist/', import.meta.url)
const REQUEST = { audience: 'https://billing.example', permissions: ['billing:read'] }
const LIFETIME_SECONDS = 60

export const client = {
  name: 'client',
  title: 'tokens of an agent',

  async measure() {
    return [
      // First, as in a program that has one clock: where several were used, reading the time is no longer compiled in.
      await measureCacheHit(),
      await countColdCalls(),
      await countSteadyCalls(),
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

/** Beside what the AWS SDK keeps one identity in. */
async function measureCacheHit() {
  const { memoizeIdentityProvider, isIdentityExpired, doesIdentityRequireRefresh } =
    await importPeer('@smithy/core')
  const provide = async () => ({ token: 'x', expiration: new Date(Date.now() + 3_600_000) })
  const remembered = memoizeIdentityProvider(provide, isIdentityExpired, doesIdentityRequireRefresh)
  // Both read the time from the machine: a clock that stands costs nothing to read.
  const { systemClock } = await import(new URL('sdk/clock.js', DIST))
  return await withAgent(async ({ createClient }) => {
    const authsec = createClient(undefined, { clock: systemClock })
    const works = [() => authsec.getDelegationToken(REQUEST), () => remembered({})]
    const [own, theirs] = await repeatInTurn(works)
    return {
      what: 'AWS memoize: time of a cache hit',
      ratio: compareSeries(theirs, own),
      aim: { atMost: 0.6 },
    }
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
