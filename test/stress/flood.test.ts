import { connect } from 'node:net'
import path from 'node:path'
import { expect, test } from 'vitest'
import { startServer } from '../../src/server/index.js'
import { openStore } from '../../src/store/open.js'
import { startMinting } from '../support/mint-load.js'
import { makeDirectory } from '../support/run-cli.js'
import { countRounds } from './rounds.js'

const REQUESTS = countRounds(2_000, 10_000)
const CONNECTIONS = 8
const PIPELINED = 50

/** What anybody can send who has nothing. */
const BAD = [
  formatRequest('POST /oauth/token', 'grant_type=client_credentials&client_id=nobody&client_secret=nothing'),
  formatRequest('POST /oauth/token', 'grant_type=nonsense'),
  formatRequest('POST /oauth/introspect', 'token=none'),
  formatRequest('GET /audit/events'),
  formatRequest('POST /authsec/uflow/sdk/delegation-token'),
]

test('refusals without number leave few records, which count them all, and no token is lost beside them', async ({
  annotate,
}) => {
  const state = path.join(await makeDirectory(), 'state')
  const server = await startServer({ port: 0, state })
  const load = await startMinting([server.url], server.clientId, { callers: 2 })
  const start = performance.now()
  const refused = await Promise.all(
    Array.from({ length: CONNECTIONS }, () => flood(new URL(server.url), REQUESTS / CONNECTIONS)),
  )
  await load.issued(10)
  await load.stop()
  await server.close()
  const seconds = Math.ceil((performance.now() - start) / 1000)

  const store = await openStore(path.join(state, 'authsec.db'))
  const events = (await store.audit.search({ limit: 1_000_000 })).map(({ record }) => JSON.parse(record))
  await store.close()
  const denied = events.filter(({ type, outcome }) => type !== 'denied.summary' && outcome === 'deny')
  const summaries = events.filter(({ type }) => type === 'denied.summary')
  const counted = summaries.reduce((sum, { details }) => sum + details.count, 0)
  await annotate(
    `${REQUESTS} refusals in ${seconds} s: ${denied.length} records and ${summaries.length} summaries`,
  )
  const total = refused.reduce((sum, count) => sum + count, 0)
  expect(total).toBe(REQUESTS)
  expect(denied.length + counted).toBe(total)
  // A hundred at once, a hundred in each second, and of each kind one summary in ten seconds.
  expect(denied.length).toBeLessThanOrEqual(100 * (seconds + 1))
  expect(summaries.length).toBeLessThanOrEqual(BAD.length * (seconds / 10 + 2))
  const issued = events.filter(({ type, outcome }) => type === 'token.exchanged' && outcome === 'allow')
  expect(issued.length).toBe(load.tokens.length)
})

function formatRequest(line: string, body = ''): string {
  const head = [
    `${line} HTTP/1.1`,
    'Host: localhost',
    'Content-Type: application/x-www-form-urlencoded',
    `Content-Length: ${body.length}`,
  ]
  return `${head.join('\r\n')}\r\n\r\n${body}`
}

/** Sends so many bad requests over one connection, many at a time; says how many were refused. */
function flood({ hostname, port }: URL, count: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let [sent, refused, rest] = [0, 0, '']
    const socket = connect(Number(port), hostname)
    const send = () => {
      const until = Math.min(count, sent + PIPELINED)
      const requests = Array.from({ length: until - sent }, (_, at) => BAD[(sent + at) % BAD.length])
      sent = until
      socket.write(requests.join(''))
    }
    socket.setEncoding('latin1').on('connect', send).on('error', reject)
    socket.on('close', () => resolve(refused))
    socket.on('data', (chunk) => {
      const parts = (rest + chunk).split(/HTTP\/1\.1 4\d\d /)
      rest = (parts.pop() ?? '').slice(-16)
      refused += parts.length
      if (refused === sent) {
        if (sent < count) send()
        else socket.end()
      }
    })
  })
}
