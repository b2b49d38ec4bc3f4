import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeDirectory } from '../support/run-cli.js'
import { BILLING, exchangeForm, type Reply, startTestServer } from '../support/running-server.js'

/** What of a token must not be found anywhere: its signature, whole and in halves, and what it says. */
function piecesOf(token: string): string[] {
  const [, payload = '', signature = ''] = token.split('.')
  const half = Math.floor(signature.length / 2)
  return [token, payload, signature, signature.slice(0, half), signature.slice(half)]
}

test('no token and no secret lies in the state, the log or a refusal', async () => {
  const state = join(await makeDirectory(), 'state')
  const server = await startTestServer({ state })
  const refusals: Reply[] = []
  const secrets = new Set(piecesOf(server.adminToken))
  const keep = (token: string) => {
    for (const piece of piecesOf(token)) secrets.add(piece)
  }

  // A whole life: pulled, exchanged, delegated anew, revoked.
  const first = await server.pull()
  keep(first)
  for (const scope of ['billing:read', '']) {
    keep((await server.exchange({ subject_token: first, scope, tool: 'get_bill' })).json.access_token)
  }
  const policy = {
    role_name: 'admin',
    agent_type: 'langchain',
    allowed_permissions: ['billing:read'],
    resources: [BILLING],
  }
  await server.call('POST', '/uflow/delegation-policies', { admin: true, json: policy })
  const grant = { agent_type: 'langchain', audience: [BILLING] }
  const agent = `/uflow/admin/agents/${server.clientId}`
  const granted = await server.call('POST', `${agent}/delegate-token`, { admin: true, json: grant })
  const { token: second } = granted.json
  keep(second)
  keep((await server.exchange({ subject_token: second })).json.access_token)

  // Every way to be refused with a token in the hand, also in places where none belongs.
  const form = exchangeForm(server.clientId)
  for (const secret of [server.adminToken, first, second]) {
    refusals.push(
      await server.exchange({ subject_token: secret, scope: 'billing:refund' }),
      await server.exchange({ subject_token: `${secret}x` }),
      await server.exchange({ subject_token: secret, resource: 'https://evil.example' }),
      await server.exchange({ subject_token: secret, ttl_seconds: '0' }),
      await server.call('POST', '/oauth/token', { form: { ...form, actor_token: secret } }),
      await server.call('POST', '/oauth/token', { form, headers: { authorization: `Bearer ${secret}` } }),
      await server.call('POST', '/oauth/token', { json: { subject_token: secret } }),
      await server.call('GET', '/audit/events', { headers: { authorization: `Bearer ${secret}x` } }),
      await server.call('GET', '/audit/events', { headers: { authorization: secret } }),
      await server.call('POST', '/admin/resources', {
        admin: true,
        body: `{"a":"${secret}`,
        headers: { 'content-type': 'application/json' },
      }),
      await server.call('PUT', '/oauth/token', { headers: { authorization: `Bearer ${secret}` } }),
      await server.call('GET', '/nowhere', { headers: { authorization: `Bearer ${secret}` } }),
    )
  }
  await server.call('POST', `${agent}/revoke-token`, { admin: true })
  refusals.push(await server.exchange({ subject_token: second }))
  const log = await server.call('GET', '/audit/events?limit=1000', { admin: true })
  expect(log.json.events.length).toBeGreaterThan(30)
  expect(refusals.map(({ status }) => status).filter((status) => status < 400 || status >= 500)).toEqual([])
  for (const { text, headers } of [...refusals, log]) assertClean(`${text}${JSON.stringify(headers)}`)

  const readState = async (read: string[] = []) => {
    for (const file of await readdir(state)) {
      // What takes the place of another file in one step may have done so since it was listed.
      const isPassing = file.endsWith('.tmp')
      const content = readFile(join(state, file), 'latin1')
      read.push(isPassing ? await content.catch(() => '') : await content)
    }
    return read.join('\n')
  }
  const open = await readState()
  await server.close()
  const closed = await readState()
  // Not empty, and read as it is: the log lies there in the clear.
  expect(closed).toContain('token.exchanged')
  for (const content of [open, closed]) {
    assertClean(content)
    expect(content).not.toMatch(/PRIVATE KEY|"d":"|eyJ[\w-]{20}/)
  }

  function assertClean(text: string): void {
    for (const secret of secrets) expect(text.includes(secret), secret.slice(0, 12)).toBe(false)
  }
})
