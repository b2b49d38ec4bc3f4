import { describe, expect, test } from 'vitest'
import { runCli } from '../../../support/run-cli.js'
import { ADMIN, answer, stubServer } from '../../../support/stub-server.js'

const PATH = '/authsec/uflow/delegation-policies'
const POLICY = {
  id: 'p-1',
  role_name: 'member',
  agent_type: 'crewai',
  allowed_permissions: ['billing:read', 'profile:read'],
  resources: ['https://billing.example'],
  max_ttl_seconds: 28_800,
  enabled: true,
}
const TERMS = [
  '--role',
  'member',
  '--agent-type',
  'crewai',
  '--permission',
  'billing:read',
  '--resource',
  'https://billing.example',
  '--max-ttl',
  '8h',
]

function run(args: readonly string[], routes: Parameters<typeof stubServer>[0], options: object = {}) {
  const server = stubServer(routes)
  return { server, done: runCli(['policy', ...args], { env: ADMIN, fetch: server.fetch, ...options }) }
}

describe('authsec policy create --file', () => {
  const declare = (declared: unknown, ...args: string[]) =>
    run(
      ['create', '--file', '-', ...args],
      { [`POST ${PATH}`]: answer(201, { policy: POLICY }) },
      { stdin: JSON.stringify(declared) },
    )
  const DECLARED = {
    role_name: 'member',
    agent_type: 'crewai',
    allowed_permissions: ['billing:read'],
    resources: ['https://billing.example'],
    max_ttl: '8h',
  }

  test.each([
    { declared: DECLARED, count: 1 },
    { declared: [DECLARED, { ...DECLARED, role_name: 'admin' }], count: 2 },
  ])('creates $count', async ({ declared, count }) => {
    const { server, done } = declare(declared, '--json')
    const { code, stdout } = await done
    expect(code).toBe(0)
    expect([JSON.parse(stdout)].flat()).toHaveLength(count)
    expect(server.calls).toHaveLength(count)
    expect(JSON.parse(server.calls[0]?.body ?? '')).toMatchObject({
      role_name: 'member',
      max_ttl_seconds: 28_800,
      enabled: true,
    })
  })

  test('creates nothing where one of them is wrong', async () => {
    const { server, done } = declare([DECLARED, { ...DECLARED, ttl: '1h' }])
    expect(await done).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('"ttl" is not a member of a policy\nhint: '),
    })
    expect(server.calls).toEqual([])
  })

  test('takes no flags of a policy beside it', async () => {
    expect((await declare(DECLARED, '--role', 'x').done).code).toBe(2)
  })
})

describe('authsec policy create', () => {
  test('sends the terms and prints the policy', async () => {
    const { server, done } = run(['create', ...TERMS, '--permission', 'profile:read'], {
      [`POST ${PATH}`]: answer(201, { policy: POLICY }),
    })
    expect(await done).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringContaining('permissions\tbilling:read, profile:read\n'),
    })
    expect(JSON.parse(server.calls[0]?.body ?? '')).toEqual({
      role_name: 'member',
      agent_type: 'crewai',
      allowed_permissions: ['billing:read', 'profile:read'],
      resources: ['https://billing.example'],
      max_ttl_seconds: 28_800,
      enabled: true,
    })
  })

  test('prints the policy itself with --json, and what the server warns of beside it', async () => {
    const body = { policy: POLICY, warnings: ['it reaches *\u001b[0m'] }
    const { done } = run(['create', ...TERMS, '--json'], { [`POST ${PATH}`]: answer(201, body) })
    const { code, stdout, stderr } = await done
    expect({ code, policy: JSON.parse(stdout) }).toEqual({ code: 0, policy: POLICY })
    expect(stderr).toBe('warning: it reaches *\\u001b[0m\n')
  })

  test('can be without effect', async () => {
    const { server, done } = run(['create', ...TERMS, '--disabled'], {
      [`POST ${PATH}`]: answer(201, { policy: POLICY }),
    })
    await done
    expect(JSON.parse(server.calls[0]?.body ?? '')).toMatchObject({ enabled: false })
  })

  test.each([
    {
      why: 'the role is missing',
      args: TERMS.slice(2),
      stderr: /no --role is given\nhint: Add --role, or declare/,
    },
    {
      why: 'no permission is given, which AuthSec takes for all',
      args: TERMS.filter((_, index) => index < 4 || index > 5),
      stderr: /no --permission is given/,
    },
    {
      why: 'no resource is given',
      args: TERMS.filter((_, index) => index < 6 || index > 7),
      stderr: /no --resource is given/,
    },
    {
      why: 'the duration is none',
      args: [...TERMS.slice(0, -1), 'soon'],
      stderr: /"soon" is not a duration\nhint: /,
    },
  ])('is a usage error when $why', async ({ args, stderr }) => {
    const { server, done } = run(['create', ...args], {})
    expect(await done).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(stderr) })
    expect(server.calls).toEqual([])
  })

  describe('at a terminal', () => {
    const APIS = [
      { uri: 'https://billing.example', permissions: ['billing:read', 'billing:refund'] },
      { uri: 'https://profile.example', permissions: ['profile:read'] },
    ]
    const ask = (args: readonly string[], answers: readonly string[], resources: object = APIS) =>
      run(
        ['create', ...args],
        { 'GET /admin/resources': answer(200, resources), [`POST ${PATH}`]: answer(201, { policy: POLICY }) },
        { tty: true, answers },
      )

    test('asks for what no flag says, and lets choose among the permissions of the APIs', async () => {
      const { server, done } = ask(['--role', 'member'], ['billing:read,profile:read', ' crewai ', ''])
      expect(await done).toMatchObject({ code: 0 })
      expect(JSON.parse(server.calls.at(-1)?.body ?? '')).toEqual({
        role_name: 'member',
        agent_type: 'crewai',
        allowed_permissions: ['billing:read', 'profile:read'],
        resources: ['https://billing.example', 'https://profile.example'],
        max_ttl_seconds: 28_800,
        enabled: true,
      })
    })

    test('offers the permissions of the named API alone', async () => {
      const { done } = ask(['--resource', 'https://profile.example'], ['billing:read'])
      await expect(done).resolves.toMatchObject({
        code: 1,
        stderr: expect.stringContaining('none of profile:read'),
      })
    })

    test('asks again where there is no answer', async () => {
      const { server, done } = ask(
        ['--permission', 'billing:read', '--resource', 'https://billing.example'],
        [' ', 'member', 'x', '1h'],
      )
      expect(await done).toMatchObject({ code: 0 })
      expect(JSON.parse(server.calls.at(-1)?.body ?? '')).toMatchObject({
        role_name: 'member',
        agent_type: 'x',
      })
    })

    test.each([
      { why: 'nothing is chosen', args: [], answers: [''], resources: APIS },
      { why: 'there is no API', args: [], answers: [], resources: [] },
      { why: 'no API has the permission', args: ['--permission', 'x:y'], answers: [], resources: APIS },
    ])('makes no policy where $why', async ({ args, answers, resources }) => {
      const { server, done } = ask(args, answers, resources)
      expect(await done).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/no policy was made\nhint: /),
      })
      expect(server.calls.filter(({ method }) => method === 'POST')).toEqual([])
    })
  })

  test('fails with a conflict when there is one for the role and type', async () => {
    const { done } = run(['create', ...TERMS], { [`POST ${PATH}`]: answer(409, { error: 'exists' }) })
    expect(await done).toMatchObject({
      code: 7,
      stderr: expect.stringMatching(/role member and agent type crewai exists already\nhint: /),
    })
  })

  test('fails when the session may not', async () => {
    const { done } = run(['create', ...TERMS], {
      [`POST ${PATH}`]: answer(403, { error: 'insufficient_scope', error_description: 'admins only' }),
    })
    expect(await done).toMatchObject({
      code: 5,
      stderr: expect.stringMatching(/^authsec: admins only\nhint: See authsec whoami/),
    })
  })
})

describe('authsec policy list', () => {
  test('prints the terms of each', async () => {
    const { done } = run(['list'], { [`GET ${PATH}`]: [[POLICY]] })
    expect((await done).stdout).toBe(
      'p-1\tmember\tcrewai\tbilling:read, profile:read\thttps://billing.example\t8h\tenabled\t\n',
    )
  })

  test('says what an empty list of permissions means', async () => {
    const { done } = run(['list'], {
      [`GET ${PATH}`]: [[{ ...POLICY, allowed_permissions: [], enabled: false }]],
    })
    expect((await done).stdout).toContain(
      '\teverything the person has\thttps://billing.example\t8h\tdisabled\t',
    )
  })

  test('is an array with --json', async () => {
    const { done } = run(['list', '--json'], { [`GET ${PATH}`]: [[POLICY]] })
    expect(JSON.parse((await done).stdout)).toEqual([POLICY])
  })
})
