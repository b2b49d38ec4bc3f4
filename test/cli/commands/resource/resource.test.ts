import { describe, expect, test } from 'vitest'
import { runCli } from '../../../support/run-cli.js'
import { ADMIN, answer, stubServer } from '../../../support/stub-server.js'

const RESOURCE = {
  uri: 'https://shipping.example',
  permissions: ['shipping:read'],
  created_at: '2026-08-21T09:00:00.123Z',
}

function run(args: readonly string[], routes: Parameters<typeof stubServer>[0], options: object = {}) {
  const server = stubServer(routes)
  return { server, done: runCli(['resource', ...args], { env: ADMIN, fetch: server.fetch, ...options }) }
}

describe('authsec resource create', () => {
  const args = ['create', RESOURCE.uri, '--permission', 'shipping:read']

  test('registers the API', async () => {
    const { server, done } = run(args, { 'POST /admin/resources': answer(201, RESOURCE) })
    expect(await done).toEqual({
      code: 0,
      stderr: '',
      stdout: 'uri\thttps://shipping.example\npermissions\tshipping:read\n',
    })
    expect(JSON.parse(server.calls[0]?.body ?? '')).toEqual({
      uri: RESOURCE.uri,
      permissions: ['shipping:read'],
    })
  })

  test('prints the resource with --json', async () => {
    const { done } = run([...args, '--json'], { 'POST /admin/resources': answer(201, RESOURCE) })
    expect(JSON.parse((await done).stdout)).toEqual(RESOURCE)
  })

  test.each([
    { why: 'it exists', status: 409, code: 7, stderr: /https:\/\/shipping\.example exists already/ },
    { why: 'the server does not take the address', status: 400, code: 2, stderr: /no good/ },
  ])('fails when $why', async ({ status, code, stderr }) => {
    const { done } = run(args, { 'POST /admin/resources': answer(status, { error: 'no good' }) })
    expect(await done).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(stderr) })
  })

  test.each([
    { answers: [' ', ` ${RESOURCE.uri} `, 'shipping:read, shipping:write'], flags: [], permissions: 2 },
    { answers: [RESOURCE.uri, ''], flags: [], permissions: 0 },
    { answers: [RESOURCE.uri], flags: ['--permission', 'shipping:read'], permissions: 1 },
  ])('asks a person for what is not said: $answers', async ({ answers, flags, permissions }) => {
    const routes = { 'POST /admin/resources': answer(201, RESOURCE) }
    const { server, done } = run(['create', ...flags], routes, { tty: true, answers })
    expect(await done).toMatchObject({ code: 0 })
    const sent = JSON.parse(server.calls[0]?.body ?? '')
    expect(sent.uri).toBe(RESOURCE.uri)
    expect(sent.permissions).toHaveLength(permissions)
  })

  test('registers nothing where the answer is no permission', async () => {
    const { server, done } = run(['create'], {}, { tty: true, answers: [RESOURCE.uri, 'All!'] })
    expect(await done).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('"All!" is not a permission'),
    })
    expect(server.calls).toEqual([])
  })

  test('registers what is declared, one after the other', async () => {
    const declared = [{ uri: RESOURCE.uri }, { uri: RESOURCE.uri, permissions: ['shipping:read'] }]
    const routes = { 'POST /admin/resources': answer(201, RESOURCE) }
    const options = { stdin: JSON.stringify(declared) }
    const { server, done } = run(['create', '--file', '-', '--json'], routes, options)
    expect(JSON.parse((await done).stdout)).toEqual([RESOURCE, RESOURCE])
    expect(server.calls.map(({ body }) => JSON.parse(body ?? '').permissions)).toEqual([
      [],
      ['shipping:read'],
    ])
  })

  test('says in JSON too what is there already when a later one is refused', async () => {
    const routes = { 'POST /admin/resources': [answer(201, RESOURCE), answer(409, { error: 'exists' })] }
    const options = { stdin: JSON.stringify([{ uri: RESOURCE.uri }, { uri: 'https://other.example' }]) }
    const { code, stdout, stderr } = await run(['create', '--file', '-', '--json'], routes, options).done
    expect([code, JSON.parse(stdout)]).toEqual([7, [RESOURCE]])
    expect(JSON.parse(stderr).error.message).toContain('https://other.example')
  })

  test.each([[RESOURCE.uri], ['--permission', 'a:read']])(
    'takes nothing beside a file: %j',
    async (...more) => {
      const options = { stdin: JSON.stringify({ uri: RESOURCE.uri }) }
      const { server, done } = run(['create', '--file', '-', ...more], {}, options)
      expect(await done).toMatchObject({ code: 2, stdout: '' })
      expect(server.calls).toEqual([])
    },
  )

  test('is a usage error without an address, and with a permission that is none', async () => {
    expect(await run(['create'], {}).done).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('no address is given\nhint: Write authsec resource create URI'),
    })
    expect(await run(['create', 'https://a.example', '--permission', 'All!'], {}).done).toMatchObject({
      code: 2,
    })
  })
})

describe('authsec resource list', () => {
  test('prints one line for each', async () => {
    const { done } = run(['list'], { 'GET /admin/resources': [[RESOURCE]] })
    expect((await done).stdout).toBe('https://shipping.example\tshipping:read\t2026-08-21T09:00:00Z\n')
  })

  test('is an array with --json', async () => {
    const { done } = run(['list', '--json'], { 'GET /admin/resources': [[RESOURCE]] })
    expect(JSON.parse((await done).stdout)).toEqual([RESOURCE])
  })
})
