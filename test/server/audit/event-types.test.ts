import { readdirSync, readFileSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AUDIT_EVENTS, type AuditEventType } from '../../../src/core/audit-record.js'
import { ENDPOINTS, QUIRK_ENDPOINTS } from '../../../src/server/endpoints.js'
import { makeDirectory } from '../../support/run-cli.js'
import { type Reply, startTestServer, type TestServer } from '../../support/running-server.js'

const GUARDED = [...ENDPOINTS, ...QUIRK_ENDPOINTS].filter(
  ({ access, event }) => access !== 'public' && event !== undefined,
)
const ID = '00000000-0000-4000-8000-000000000000'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer({
    quirks: QUIRK_ENDPOINTS.flatMap(({ quirk }) => (quirk === undefined ? [] : [quirk])),
  })
})
afterAll(() => server.close())

/** The record of a request. */
async function eventOf({ headers }: Reply) {
  const filter = encodeURIComponent(`type!~server.* text~${headers['x-request-id']}`)
  const { events } = (await server.call('GET', `/audit/events?filter=${filter}`, { admin: true })).json
  return events.at(-1)?.event
}

describe('who is turned away at the door is told under the name of what was tried', () => {
  test.each(GUARDED.map((endpoint) => [endpoint.method, endpoint.paths[0] ?? '', endpoint.event] as const))(
    '%s %s: %s',
    async (method, path, event) => {
      const place = path.replaceAll(/:\w+/g, ID).replace('*', '000')
      const reply = await server.call(method, place, {
        ...(!['GET', 'DELETE'].includes(method) && { json: {} }),
      })
      expect(reply.status).toBe(401)
      expect(await eventOf(reply)).toMatchObject({ type: event, outcome: 'deny' })
    },
  )
})

describe('what is done is told under the name that it has in the list of types', () => {
  test('as for what no other test looks at', async () => {
    const admin = { admin: true }
    const { client_id: id } = (
      await server.call('POST', `/authsec/clientms/tenants/${server.tenantId}/clients/create`, {
        ...admin,
        json: { name: 'told', email: 'told@authsec.test', client_type: 'application' },
      })
    ).json
    const place = `/authsec/clientms/tenants/${server.tenantId}/clients/${id}`
    const reply = await server.call('PATCH', `${place}/deactivate`, { ...admin, json: {} })
    expect(await eventOf(reply)).toMatchObject({ type: 'client.deactivated', outcome: 'allow' })
  })

  test('as that the run before was cut off, and only then', async () => {
    const directory = await makeDirectory()
    const [state, image] = [join(directory, 'state'), join(directory, 'image')]
    const cut = await startTestServer({ state })
    // What a power cut leaves behind.
    await cp(state, image, { recursive: true })
    await cut.close()
    const filter = 'filter=type=server.recovered'
    for (const count of [1, 1]) {
      const next = await startTestServer({ state: image })
      const { events } = (await next.call('GET', `/audit/events?${filter}`, { admin: true })).json
      expect(events).toHaveLength(count)
      const [first] = (await next.call('GET', '/audit/events?limit=1', { admin: true })).json.events
      expect(events[0].event.details).toEqual({ boot: first.event.boot, since: first.event.occurred_at })
      await next.close()
    }
  })

  test('every type is that of an endpoint, or another test looks at it', () => {
    const guarded = new Set<AuditEventType | undefined>(GUARDED.map(({ event }) => event))
    const tests = readTests(join(import.meta.dirname, '../..'))
    const types = Object.keys(AUDIT_EVENTS) as AuditEventType[]
    expect(
      types.filter(
        (type) => !guarded.has(type) && !new RegExp(`\\b${type.replace('.', '\\.')}\\b`).test(tests),
      ),
    ).toEqual([])
  })
})

/** The text of every test. */
function readTests(directory: string): string {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter(
      (entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.parentPath.includes('node_modules'),
    )
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
    .join('\n')
}
