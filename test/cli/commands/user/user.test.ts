import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runCli } from '../../../support/run-cli.js'
import { type ServedCli, serveCli } from '../../../support/served-cli.js'
import { ADMIN, stubServer } from '../../../support/stub-server.js'

const PASSWORD = 'correct horse battery'

let cli: ServedCli
beforeAll(async () => {
  cli = await serveCli()
})
afterAll(() => cli.server.close())

const login = async (email: string, password = PASSWORD) =>
  (await cli.server.call('POST', '/uflow/auth/admin/login', { json: { email, password } })).status

describe('authsec user', () => {
  test('adds somebody whose password is typed twice, and shows it nowhere', async () => {
    const args = ['user', 'create', 'typed@team.example', '--role', 'member', '--ask-password']
    const run = await cli.run(args, { tty: true, answers: [PASSWORD, PASSWORD] })
    expect(run).toMatchObject({ code: 0, stdout: expect.stringMatching(/roles +member\nstate +active\n/) })
    expect(run.stdout + run.stderr).not.toContain(PASSWORD)
    expect(await login('typed@team.example')).toBe(200)
  })

  test('reads the password of a script from standard input, without its line break', async () => {
    const args = ['user', 'create', 'piped@team.example', '--password-stdin', '--json']
    const { code, stdout } = await cli.run(args, { stdin: `${PASSWORD}\n` })
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ roles: [], active: true, has_password: true })
    expect(await login('piped@team.example')).toBe(200)
  })

  test('says of somebody without a password that they cannot log in, until they have one', async () => {
    const { stdout } = await cli.run(['user', 'create', 'silent@team.example'])
    expect(stdout).toContain('cannot log in: no password')
    const update = ['user', 'update', 'silent@team.example', '--password-stdin']
    expect(await cli.run(update, { stdin: PASSWORD })).toMatchObject({ code: 0 })
    expect(await login('silent@team.example')).toBe(200)
  })

  test('keeps somebody out and lets them in again, by address or id', async () => {
    const { id } = (await cli.read(['user', 'list'])).find(
      ({ email }: { email: string }) => email === 'bob@authsec.test',
    )
    const out = await cli.run(['user', 'deactivate', 'Bob@AuthSec.test'])
    expect(out).toMatchObject({ code: 0, stderr: `bob@authsec.test (${id}) may not act\n` })
    expect((await cli.run(['user', 'list'])).stdout).toMatch(/bob@authsec\.test\tmember\tnot active/)
    expect(await cli.read(['user', 'activate', id.toUpperCase()])).toMatchObject({ id, active: true })
  })

  test('leaves what is not named as it is', async () => {
    const before = await cli.read(['user', 'list'])
    await cli.read(['user', 'update', 'bob@authsec.test', '--role', 'member'])
    expect(await cli.read(['user', 'list'])).toEqual(before)
  })

  test.each([
    { why: 'two passwords differ', answers: [PASSWORD, 'another one'], says: /two passwords differ/ },
    { why: 'the password is short', answers: ['short', 'short'], says: /10 to 1024 characters/ },
  ])('adds nobody where $why', async ({ answers, says }) => {
    const args = ['user', 'create', 'nobody@team.example', '--ask-password']
    const run = await cli.run(args, { tty: true, answers })
    expect(run).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(says) })
    const emails = (await cli.read(['user', 'list'])).map(({ email }: { email: string }) => email)
    expect(emails).not.toContain('nobody@team.example')
  })

  test.each([
    { args: ['create', 'bob@authsec.test'], code: 7, says: /exists already/ },
    { args: ['create', 'nobody'], code: 2, says: /"nobody" is not an e-mail address/ },
    { args: ['create', 'x@team.example', '--role', 'boss'], code: 2, says: /"boss"\nhint: .*role create/ },
    { args: ['update', 'nobody@team.example', '--role', 'member'], code: 6, says: /hint: .*user list/ },
    { args: ['update', 'bob@authsec.test'], code: 2, says: /nothing is given/ },
    { args: ['update', 'admin@authsec.test', '--role', 'member'], code: 7, says: /nobody would be left/ },
    { args: ['deactivate', 'admin@authsec.test'], code: 7, says: /nobody would be left/ },
  ])('refuses with $code and the way on: $args', async ({ args, code, says }) => {
    expect(await cli.run(['user', ...args])).toEqual({
      code,
      stdout: '',
      stderr: expect.stringMatching(says),
    })
  })

  test.each([
    ['user', 'list'],
    ['user', 'create', 'bob@team.example'],
    ['user', 'deactivate', 'bob@team.example'],
    ['role', 'list'],
    ['role', 'create', 'member'],
  ])('says of a server that has no such thing that it has none: %s %s', async (...args) => {
    expect(await runCli(args, { env: ADMIN, fetch: stubServer({}).fetch })).toMatchObject({
      code: 7,
      stdout: '',
      stderr: expect.stringMatching(/knows no management of (users|roles)/),
    })
  })
})

describe('authsec role', () => {
  test('makes a role, lists it and gives it other permissions', async () => {
    const made = await cli.run(['role', 'create', 'auditor', '--permission', 'audit:read'])
    expect(made).toMatchObject({ code: 0, stdout: 'name\tauditor\npermissions\taudit:read\n' })
    const changed = ['role', 'update', 'auditor', '--permission', 'b:c', '--permission', 'a:b']
    expect(await cli.read(changed)).toEqual({ name: 'auditor', permissions: ['a:b', 'b:c'] })
    expect((await cli.run(['role', 'list'])).stdout).toContain('auditor\ta:b, b:c\n')
  })

  test.each([
    { args: ['create', 'member'], code: 7, says: /exists already/ },
    { args: ['create', 'x', '--permission', 'All'], code: 2, says: /"All" is not a permission/ },
    { args: ['update', 'boss', '--permission', 'a:b'], code: 6, says: /no role boss\nhint: .*role list/ },
    { args: ['update', 'member'], code: 2, says: /nothing is given/ },
    { args: ['update', 'admin', '--permission', 'a:b'], code: 7, says: /nobody would be left/ },
  ])('refuses with $code and the way on: $args', async ({ args, code, says }) => {
    expect(await cli.run(['role', ...args])).toEqual({
      code,
      stdout: '',
      stderr: expect.stringMatching(says),
    })
  })
})
