import { Agent, request as sendRequest } from 'node:http'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ENDPOINTS } from '../../src/server/endpoints.js'
import { startTestServer } from '../support/running-server.js'
import { type HostileRequest, hostileRequest } from './hostile-request.js'
import { chooseSeed, countRounds } from './rounds.js'

const PARALLEL = 8
/** What answers with pages. */
const PAGES = ENDPOINTS.filter(({ errors }) => errors === 'page').flatMap(({ paths }) => paths)
/** So many thousand requests are a round of the stress tests: two rounds of them are ten thousand. */
const THOUSANDS = 5
/** Of this many groups of requests a thousand consist. */
const GROUPS = 1_000 / PARALLEL

test('hostile requests by the thousand are answered without a fault, and refused in JSON', {
  timeout: countRounds(1) * 120_000,
}, async ({ annotate }) => {
  const seed = chooseSeed()
  await annotate(`AUTHSEC_STRESS_SEED=${seed}`)
  const server = await startTestServer()
  const exchanged = await server.exchange()
  const known = { server, baseToken: await server.pull(), callToken: exchanged.json.access_token }
  const agent = new Agent({ keepAlive: true, maxSockets: PARALLEL })
  const seen = new Set<number>()

  await fc.assert(
    fc.asyncProperty(
      fc.array(hostileRequest(known), { minLength: PARALLEL, maxLength: PARALLEL }),
      async (requests) => {
        const answers = await Promise.all(requests.map((request) => fire(server.port, request, agent)))
        for (const { status } of answers) seen.add(status)
        expect(answers.filter(({ status }) => status >= 500)).toEqual([])
        expect(answers.filter((answer) => answer.status >= 400 && !isReadable(answer))).toEqual([])
        expect(server.surprises).toEqual([])
      },
    ),
    { seed, numRuns: countRounds(1, THOUSANDS) * GROUPS, ignoreEqualValues: false },
  )

  agent.destroy()
  // It is alive, and not all of it was turned away at the first door.
  expect((await server.call('GET', '/audit/events?limit=1000', { admin: true })).status).toBe(200)
  expect([...seen]).toEqual(expect.arrayContaining([200, 400, 401, 403, 404, 405, 413]))
  await server.close()
})

interface Answer {
  method: string
  path: string
  status: number
  contentType: string | undefined
  body: string
}

/** Whether a refusal says in JSON what is wrong; a page says it to a person, and to a HEAD nobody says anything. */
function isReadable({ method, path, status, contentType, body }: Answer): boolean {
  // What is too long may come in pieces, the last of which does not say whether it belongs to a HEAD.
  if (status === 431 && body === '') return true
  if (contentType === 'text/html; charset=utf-8' && PAGES.some((page) => path.startsWith(page))) return true
  if (contentType !== 'application/json') return false
  return method === 'HEAD' ? body === '' : Boolean(JSON.parse(body).error)
}

function fire(port: number, { method, path, headers, body }: HostileRequest, agent: Agent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = sendRequest({ host: '127.0.0.1', port, method, path, headers, agent }, (response) => {
      const chunks: Buffer[] = []
      const contentType = response.headers['content-type']
      response.on('error', reject)
      response.on('data', (chunk) => chunks.push(chunk))
      // A stream of events has no end.
      if (contentType === 'text/event-stream') response.destroy()
      response.on('close', () => {
        const text = Buffer.concat(chunks).toString()
        resolve({ method, path, status: response.statusCode ?? 0, contentType, body: text })
      })
    })
    request.setTimeout(20_000, () => request.destroy(new Error(`no answer to ${method} ${path}`)))
    // A connection that was closed under us is one that the server may close: it refused what it had not read.
    request.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EPIPE' || error.code === 'ECONNRESET'
        ? resolve({ method, path, status: 0, contentType: undefined, body: '' })
        : reject(error),
    )
    request.end(body)
  })
}
