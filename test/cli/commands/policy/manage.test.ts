import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type ServedCli, serveCli } from '../../../support/served-cli.js'

const UNKNOWN = '00000000-0000-4000-8000-000000000000'

let cli: ServedCli
let id: string
let count = 0
beforeAll(async () => {
  cli = await serveCli()
})
beforeEach(async () => {
  const made = ['--role', 'member', '--agent-type', `crew${count++}`, '--max-ttl', '8h']
  const reach = ['--permission', 'billing:read', '--resource', 'https://billing.example']
  id = (await cli.read(['policy', 'create', ...made, ...reach])).id
})
afterAll(() => cli.server.close())

describe('authsec policy show', () => {
  test('prints one policy', async () => {
    const { code, stdout } = await cli.run(['policy', 'show', id])
    expect(code).toBe(0)
    expect(stdout).toContain(`policy id\t${id}\nrole\tmember\n`)
    expect(await cli.read(['policy', 'show', id])).toMatchObject({ id, max_ttl_seconds: 28_800 })
  })

  test.each([
    { what: UNKNOWN, code: 6, message: `no policy ${UNKNOWN}` },
    { what: 'nonsense', code: 2, message: '"nonsense" is not the id of a policy' },
  ])('fails for $what', async ({ what, code, message }) => {
    const stderr = `authsec: ${message}\nhint: See authsec policy list.\n`
    expect(await cli.run(['policy', 'show', what])).toEqual({ code, stdout: '', stderr })
  })
})

describe('authsec policy create --file', () => {
  const policy = {
    role_name: 'member',
    allowed_permissions: ['billing:read'],
    resources: ['https://billing.example'],
    max_ttl: '8h',
  }
  const create = (...declared: object[]) =>
    cli.run(['policy', 'create', '--file', '-', '--json'], { stdin: JSON.stringify(declared) })

  test('knows a client by its exact name as well', async () => {
    const { stdout } = await create({ ...policy, agent_type: 'named', client_id: 'demo-agent' })
    expect(JSON.parse(stdout)).toMatchObject({ agent_type: 'named', client_id: cli.server.clientId })
  })

  test('creates none where one of them names nobody', async () => {
    const nobody = { ...policy, agent_type: 'second', client_id: 'nobody' }
    expect(await create({ ...policy, agent_type: 'first' }, nobody)).toMatchObject({
      code: 6,
      stdout: '',
      stderr: expect.stringContaining('no client is named \\"nobody\\"'),
    })
    const types = (await cli.read(['policy', 'list'])).map((row: { agent_type: string }) => row.agent_type)
    expect(types).not.toContain('first')
  })
})

describe('authsec policy update', () => {
  test.each([
    { args: ['--max-ttl', '1h'], expected: { max_ttl_seconds: 3600, allowed_permissions: ['billing:read'] } },
    { args: ['--disable'], expected: { enabled: false } },
    { args: ['--permission', 'orders:read'], expected: { allowed_permissions: ['orders:read'] } },
    { args: ['--resource', 'https://orders.example'], expected: { resources: ['https://orders.example'] } },
    { args: ['--role', 'admin'], expected: { role_name: 'admin' } },
  ])('changes with $args that and nothing else', async ({ args, expected }) => {
    const before = await cli.read(['policy', 'show', id])
    const after = await cli.read(['policy', 'update', id, ...args])
    expect(after).toMatchObject({ ...before, ...expected, updated_at: expect.any(String) })
  })

  test('binds it to a client and lets every client in again', async () => {
    const bound = await cli.read(['policy', 'update', id, '--client', 'demo-agent'])
    expect(bound.client_id).toBe(cli.server.clientId)
    const open = await cli.read(['policy', 'update', id, '--any-client'])
    expect(open.client_id).toBeUndefined()
    expect(await cli.read(['policy', 'update', id, '--enable'])).toMatchObject({ enabled: true })
  })

  test.each([
    { why: 'nothing to change', args: [], code: 2 },
    { why: 'both ways at once', args: ['--enable', '--disable'], code: 2 },
    { why: 'a permission that is none', args: ['--permission', 'All!'], code: 2 },
    { why: 'a client that there is not', args: ['--client', 'nobody'], code: 6 },
  ])('is refused with $why', async ({ args, code }) => {
    expect(await cli.run(['policy', 'update', id, ...args])).toMatchObject({ code, stdout: '' })
  })

  test('is refused for a policy that there is not', async () => {
    expect(await cli.run(['policy', 'update', UNKNOWN, '--disable'])).toMatchObject({ code: 6, stdout: '' })
  })
})

describe('authsec policy delete', () => {
  test('names with --dry-run the delegations that would end', async () => {
    const policies = await cli.read(['policy', 'list'])
    const seeded = policies.find(({ agent_type }: { agent_type: string }) => agent_type === 'langchain')
    const { stops } = await cli.read(['policy', 'delete', seeded.id, '--dry-run'])
    expect(stops).toMatchObject([{ kind: 'delegation', id: cli.server.clientId }])
    const none = await cli.run(['policy', 'delete', id, '--dry-run'])
    expect(none).toEqual({ code: 0, stdout: '', stderr: 'nothing would stop working\nnothing was changed\n' })
  })

  test('needs the id once more', async () => {
    expect(await cli.run(['policy', 'delete', id])).toMatchObject({ code: 2, stdout: '' })
    expect(await cli.run(['policy', 'delete', id, '--confirm', UNKNOWN])).toMatchObject({
      code: 2,
      stdout: '',
    })
    expect(await cli.read(['policy', 'delete', id, '--confirm', id])).toEqual({ id, status: 'deleted' })
    expect(await cli.run(['policy', 'show', id])).toMatchObject({ code: 6 })
    expect(await cli.run(['policy', 'delete', id, '--confirm', id])).toMatchObject({ code: 6 })
  })
})
