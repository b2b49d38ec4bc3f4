import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AnyEndpoint } from '../../src/server/endpoint.js'
import { ENDPOINTS, QUIRK_ENDPOINTS } from '../../src/server/endpoints.js'
import { initServer, startServer, startSharedServer } from '../../src/server/index.js'
import { QUIRKS } from '../../src/server/quirks.js'

interface Walked {
  url: string
  mode: 'dev' | 'shared'
  quirks: boolean
  close(): Promise<void>
}

const ISSUER = 'https://authsec.example'
const KEK = new Uint8Array(32).fill(9)
const ALL: readonly AnyEndpoint[] = [...ENDPOINTS, ...QUIRK_ENDPOINTS]

let place: string
const servers: Walked[] = []
beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'authsec-modes-'))
  const admin = { email: 'root@team.example', password: 'correct horse battery' }
  const state = join(place, 'state')
  await initServer({ state, kek: KEK, issuer: ISSUER, admin })
  // The limits are another test's subject.
  const auditHighWater = join(place, 'mark')
  const team = { state, kek: KEK, issuer: ISSUER, port: 0, rateLimits: 'off', auditHighWater } as const
  const own = { state: ':memory:', port: 0 }
  servers.push(
    { ...(await startServer(own)), mode: 'dev', quirks: false },
    { ...(await startServer({ ...own, quirks: Object.keys(QUIRKS) })), mode: 'dev', quirks: true },
    { ...(await startSharedServer(team)), mode: 'shared', quirks: false },
  )
})
afterAll(async () => {
  for (const server of servers) await server.close()
  await rm(place, { recursive: true, force: true })
})

/** Whether anything answers there, by the words of the answer that nothing does. */
async function isServed({ url }: Walked, method: string, path: string): Promise<boolean> {
  const reply = await fetch(`${url}${path}`, { method })
  const text = await reply.text()
  return reply.status !== 405 && !text.includes('nothing is served for')
}

describe.each([
  ['dev', 0],
  ['dev with every quirk', 1],
  ['shared', 2],
] as const)('in mode %s', (_name, index) => {
  test.each(ALL.map((endpoint) => [endpoint.method, endpoint.paths[0] as string, endpoint] as const))(
    '%s %s is served exactly if it says so, by each of its paths',
    async (method, _path, { modes, quirk, paths }) => {
      const server = servers[index] as Walked
      const expected = modes.includes(server.mode) && (quirk === undefined || server.quirks)
      for (const path of paths) {
        // A name that no neighbour takes for one of its own.
        const asked = path.replace(/:\w+/g, 'x').replace('*', 'x')
        expect(await isServed(server, method, asked), asked).toBe(expected)
      }
    },
  )
})

test('whatever is dangerous is not for a team', () => {
  expect(QUIRK_ENDPOINTS.filter(({ modes }) => modes.includes('shared'))).toEqual([])
})

test('nothing below /dev is for a team', () => {
  const own = ENDPOINTS.filter(({ paths }) => paths.some((path) => path.startsWith('/dev')))
  expect(own.filter(({ modes }) => modes.includes('shared'))).toEqual([])
})
