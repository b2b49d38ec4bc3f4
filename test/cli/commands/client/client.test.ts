import { describe, expect, test } from 'vitest'
import { NOW, runCli } from '../../../support/run-cli.js'
import { ADMIN, answer, CLIENT_ID, stubServer, TENANT } from '../../../support/stub-server.js'

const PATH = `/authsec/clientms/tenants/${TENANT}/clients`
const CREATE = `POST ${PATH}/create`
const LIST = `GET ${PATH}/getClients`
const BOT = {
  client_id: CLIENT_ID,
  name: 'billing-bot',
  active: true,
  client_type: 'ai_agent',
  agent_type: 'langchain',
  spiffe_id: `spiffe://authsec/agents/${CLIENT_ID}`,
  created_at: new Date(NOW - 180_000).toISOString(),
}

function run(args: readonly string[], routes: Parameters<typeof stubServer>[0], options: object = {}) {
  const server = stubServer(routes)
  return { server, done: runCli(['client', ...args], { env: ADMIN, fetch: server.fetch, ...options }) }
}

describe('authsec client register', () => {
  const args = ['register', 'billing-bot', '--type', 'ai_agent', '--agent-type', 'langchain']

  test('registers an agent and prints what a script needs, separated by tabs', async () => {
    const { server, done } = run(args, { [CREATE]: answer(201, BOT) })
    expect(await done).toEqual({
      code: 0,
      stderr: '',
      stdout: `client id\t${CLIENT_ID}\nname\tbilling-bot\ntype\tai_agent\nagent type\tlangchain\nSPIFFE id\t${BOT.spiffe_id}\n`,
    })
    expect(JSON.parse(server.calls[0]?.body ?? '')).toEqual({
      name: 'billing-bot',
      email: 'billing-bot@authsec.invalid',
      client_type: 'ai_agent',
      agent_type: 'langchain',
    })
  })

  test('prints the whole client with --json', async () => {
    const { done } = run([...args, '--json'], { [CREATE]: answer(201, BOT) })
    expect(JSON.parse((await done).stdout)).toEqual(BOT)
  })

  test('sends the platform with its selectors and the address', async () => {
    const more = [
      '--platform',
      'kubernetes',
      '--selector',
      'k8s:ns=a=b',
      '--selector',
      'k8s:sa=bot',
      '--email',
      'a@b.example',
    ]
    const { server, done } = run([...args, ...more], { [CREATE]: answer(201, BOT) })
    await done
    expect(JSON.parse(server.calls[0]?.body ?? '')).toMatchObject({
      email: 'a@b.example',
      platform: 'kubernetes',
      selectors: { 'k8s:ns': 'a=b', 'k8s:sa': 'bot' },
    })
  })

  test.each([
    { why: 'the name is missing', args: [], stderr: /no name is given/ },
    {
      why: 'a name is given beside a file',
      args: ['a', '--file', '-'],
      stderr: /a name is given together with --file\nhint: Write it into the file/,
    },
    {
      why: 'a selector is given beside a file',
      args: ['--file', '-', '--selector', 'k8s:ns=a'],
      stderr: /'--file <file>' cannot be used with option '--selector/,
    },
    {
      why: 'the type is unknown',
      args: ['a', '--type', 'robot'],
      stderr: /argument 'robot' is invalid.*allowed choices are ai_agent, application/i,
    },
    {
      why: 'an application has an agent type',
      args: ['a', '--type', 'application', '--agent-type', 'x'],
      stderr: /has no agent type\nhint: Add --type ai_agent/,
    },
    {
      why: 'a selector has no value',
      args: ['a', '--selector', 'k8s:ns'],
      stderr: /"k8s:ns" is not a selector/,
    },
  ])('is a usage error when $why', async ({ args, stderr }) => {
    const { server, done } = run(['register', ...args], {})
    expect(await done).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(stderr) })
    expect(server.calls).toEqual([])
  })

  test('tells what a server has instead of the routes that its generation has no more', async () => {
    const gone = { error: 'clientms routes have been removed', correct_url: '/authsec/applications\u001b[2J' }
    const { done } = run(args, { [CREATE]: answer(410, gone) })
    expect(await done).toMatchObject({
      code: 6,
      stdout: '',
      stderr: [
        'authsec: clientms routes have been removed',
        'hint: This server is of a generation of AuthSec that has other routes: it names /authsec/applications\\u001b[2J instead.',
        '',
      ].join('\n'),
    })
  })

  test('tells a refusal in the words of the server', async () => {
    const { done } = run(args, { [CREATE]: answer(400, { error: 'name is taken' }) })
    expect(await done).toEqual({ code: 2, stdout: '', stderr: 'authsec: name is taken\n' })
  })
})

describe('authsec client list', () => {
  const SLEEPER = {
    client_id: 'c-2',
    name: 'sleeper\u001b[2J',
    status: 'Inactive',
    client_type: 'application',
  }
  const both = { clients: [BOT, SLEEPER], pagination: { total_pages: 1 } }

  test('is separated by tabs without a terminal', async () => {
    const { done } = run(['list'], { [LIST]: both })
    expect(await done).toEqual({
      code: 0,
      stderr: '',
      stdout:
        `${CLIENT_ID}\tbilling-bot\tai_agent\tlangchain\tactive\t2026-08-21T11:57:00Z\n` +
        'c-2\tsleeper\\u001b[2J\tapplication\t\tinactive\t\n',
    })
  })

  test('is a table on a terminal', async () => {
    const { done } = run(['list'], { [LIST]: both }, { tty: true, columns: 140 })
    const lines = (await done).stdout.split('\n')
    expect(lines[0]).toMatch(/^CLIENT ID +NAME +TYPE +AGENT TYPE +STATUS +CREATED$/)
    expect(lines[1]).toMatch(/^0c6f9a52-\S+ {2}billing-bot +ai_agent +langchain +active +3 minutes ago$/)
    expect(lines[2]).toContain('sleeper\\u001b[2J')
  })

  test('fits a narrow terminal', async () => {
    const { done } = run(['list'], { [LIST]: both }, { tty: true, columns: 80 })
    const widths = (await done).stdout.split('\n').map((line) => line.length)
    expect(Math.max(...widths)).toBeLessThanOrEqual(80)
  })

  test('is an array with --json', async () => {
    const { done } = run(['list', '--json'], { [LIST]: both })
    expect(JSON.parse((await done).stdout)).toEqual(both.clients)
  })

  test.each([
    { args: ['--active'], names: ['billing-bot'], asked: 'true' },
    { args: ['--inactive'], names: ['sleeper\u001b[2J'], asked: 'false' },
    { args: ['--limit', '1'], names: ['billing-bot'], asked: 'false' },
  ])('with $args holds $names', async ({ args, names, asked }) => {
    const { server, done } = run(['list', '--json', ...args], { [LIST]: both })
    expect(JSON.parse((await done).stdout).map(({ name }: { name: string }) => name)).toEqual(names)
    expect(server.calls[0]?.query.get('active_only')).toBe(asked)
  })

  test('reads page after page, and no more than it needs', async () => {
    const pages = [1, 2, 3].map((page) => ({
      clients: Array.from({ length: 100 }, (_, index) => ({ client_id: `${page}-${index}`, name: 'n' })),
      pagination: { total_pages: 3 },
    }))
    const all = run(['list', '--all', '--json'], { [LIST]: pages })
    expect(JSON.parse((await all.done).stdout)).toHaveLength(300)
    const some = run(['list', '--limit', '150', '--json'], { [LIST]: pages })
    expect(JSON.parse((await some.done).stdout)).toHaveLength(150)
    expect(some.server.calls.map(({ query }) => query.get('page'))).toEqual(['1', '2'])
  })

  test('says on standard error that there are more', async () => {
    const { done } = run(['list', '--limit', '1'], { [LIST]: both })
    expect((await done).stderr).toBe('the first 1; --all lists every client\n')
  })

  test('prints nothing but a note when there are none', async () => {
    const { done } = run(['list'], { [LIST]: { clients: null } })
    expect(await done).toEqual({ code: 0, stdout: '', stderr: 'no clients\n' })
  })

  test.each([
    { args: ['--active', '--inactive'], stderr: /cannot be used with/ },
    { args: ['--limit', '0'], stderr: /"0" is not a number from 1 to/ },
    { args: ['--limit', 'many'], stderr: /"many" is not a number/ },
  ])('is a usage error with $args', async ({ args, stderr }) => {
    const { done } = run(['list', ...args], {})
    expect(await done).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(stderr) })
  })
})

describe('authsec client show', () => {
  const named = {
    clients: [{ ...BOT, name: 'Billing-Bot', client_id: 'x' }, BOT],
    pagination: { total_pages: 1 },
  }

  test('finds a client by its id, in whatever case', async () => {
    const { done } = run(['show', CLIENT_ID.toUpperCase(), '--json'], { [`GET ${PATH}/${CLIENT_ID}`]: BOT })
    expect(JSON.parse((await done).stdout)).toEqual(BOT)
  })

  test('finds a client by its exact name only', async () => {
    const { server, done } = run(['show', 'billing-bot'], { [LIST]: named })
    expect((await done).stdout).toContain(`client id\t${CLIENT_ID}\n`)
    expect(server.calls[0]?.query.get('name')).toBe('billing-bot')
  })

  test.each([
    {
      why: 'no client has the name',
      reference: 'billing',
      routes: { [LIST]: named },
      code: 6,
      stderr: /no client is named "billing"\nhint: See authsec client list/,
    },
    { why: 'no client has the id', reference: CLIENT_ID, routes: {}, code: 6, stderr: /no client 0c6f9a52/ },
    {
      why: 'several have the name',
      reference: 'billing-bot',
      routes: { [LIST]: { clients: [BOT, { ...BOT, client_id: 'c-9' }] } },
      code: 7,
      stderr: /2 clients are named "billing-bot"\nhint: Use the id of the one you mean: .*c-9/,
    },
  ])('fails when $why', async ({ reference, routes, code, stderr }) => {
    const { done } = run(['show', reference], routes)
    expect(await done).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(stderr) })
  })
})
