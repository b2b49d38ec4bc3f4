import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeDirectory } from '../../../support/run-cli.js'
import { UUID } from '../../../support/running-server.js'
import { type ServedCli, serveCli } from '../../../support/served-cli.js'

const UNKNOWN = '00000000-0000-4000-8000-000000000000'

let cli: ServedCli
beforeAll(async () => {
  cli = await serveCli()
  await cli.letAdminDelegate()
})
afterAll(() => cli.server.close())

async function registerAgent(name: string): Promise<string> {
  const args = ['client', 'register', name, '--type', 'ai_agent', '--agent-type', 'langchain']
  return (await cli.read(args)).client_id
}

async function registerApp(name: string, more: readonly string[] = []): Promise<Record<string, string>> {
  const flags = ['--dynamic', '--auth-method', 'client_secret_basic', '--grant-type', 'client_credentials']
  return await cli.read(['client', 'register', name, ...flags, '--permission', 'billing:read', ...more])
}

async function canProve(clientId: string, secret: string): Promise<boolean> {
  const credentials = Buffer.from(`${clientId}:${secret}`).toString('base64')
  const { status } = await cli.server.call('POST', '/oauth/token', {
    headers: { authorization: `Basic ${credentials}` },
    form: { grant_type: 'client_credentials', resource: 'https://billing.example', scope: 'billing:read' },
  })
  return status === 200
}

describe('authsec client update', () => {
  test('changes what is given and leaves the rest', async () => {
    const id = await registerAgent('before')
    const changed = await cli.read([
      'client',
      'update',
      'before',
      '--name',
      'after',
      '--tag',
      'a',
      '--tag',
      'b',
    ])
    expect(changed).toMatchObject({
      client_id: id,
      name: 'after',
      email: 'before@authsec.invalid',
      tags: ['a', 'b'],
    })
    expect(await cli.read(['client', 'show', id])).toMatchObject({ name: 'after' })
  })

  test.each([
    { why: 'nothing that shall change', args: ['after'], code: 2, stderr: /nothing is given/ },
    { why: 'an unknown client', args: [UNKNOWN, '--name', 'x'], code: 6, stderr: /no client/ },
    { why: 'no name left', args: ['after', '--name', ''], code: 2, stderr: /name/ },
    { why: 'no address', args: ['after', '--email', 'x'], code: 2, stderr: /e-mail/ },
  ])('is refused with $why', async ({ args, code, stderr }) => {
    const run = await cli.run(['client', 'update', ...args])
    expect(run).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(stderr) })
  })
})

describe('authsec client deactivate and activate', () => {
  test('decide whether the client gets tokens', async () => {
    const mint = ['token', 'mint', '--client', 'demo-agent']
    expect((await cli.run(mint)).code).toBe(0)
    expect(await cli.run(['client', 'deactivate', 'demo-agent'])).toMatchObject({
      code: 0,
      stdout: '',
      stderr: expect.stringMatching(/demo-agent .* may not act\n$/),
    })
    expect((await cli.run(mint)).code).toBe(6)
    expect(await cli.read(['client', 'activate', 'demo-agent'])).toMatchObject({ active: true })
    expect((await cli.run(mint)).code).toBe(0)
  })

  test.each(['activate', 'deactivate'])('%s fails for a client that there is not', async (verb) => {
    expect(await cli.run(['client', verb, UNKNOWN])).toMatchObject({ code: 6, stdout: '' })
    expect(await cli.run(['client', verb, 'nobody'])).toMatchObject({ code: 6, stdout: '' })
  })
})

describe('authsec client delete', () => {
  async function registerDelegate(name: string): Promise<string> {
    const id = await registerAgent(name)
    expect((await cli.run(['delegation', 'grant', id])).code).toBe(0)
    return id
  }

  test('lists with --dry-run what would stop working, and changes nothing', async () => {
    const id = await registerDelegate('doomed')
    const { dry_run, stops } = await cli.read(['client', 'delete', id, '--dry-run'])
    expect(dry_run).toBe(true)
    expect(stops).toEqual([
      { kind: 'delegation', id, detail: expect.stringMatching(/^doomed: billing:read/) },
    ])
    const text = await cli.run(['client', 'delete', id, '--dry-run'])
    expect(text).toMatchObject({ code: 0, stderr: 'nothing was changed\n' })
    expect(text.stdout).toMatch(new RegExp(`^delegation\t${id}\t`))
    expect((await cli.run(['client', 'show', id])).code).toBe(0)
  })

  test.each([
    {
      why: 'nobody is there to confirm',
      args: [],
      code: 2,
      stderr: /^authsec: it has to be confirmed: nothing was deleted\nhint: Add --confirm/,
    },
    {
      why: 'another name is confirmed',
      args: ['--confirm', 'doomed2'],
      code: 2,
      stderr: /nothing was deleted/,
    },
    { why: 'prompts are off', args: ['--no-input'], code: 2, stderr: /has to be confirmed/ },
  ])('is refused when $why', async ({ args, code, stderr }) => {
    const run = await cli.run(['client', 'delete', 'doomed', ...args])
    expect(run).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(stderr) })
    expect((await cli.run(['client', 'show', 'doomed'])).code).toBe(0)
  })

  test('asks a person for the name', async () => {
    const args = ['client', 'delete', 'doomed']
    expect(await cli.run(args, { tty: true, answers: ['dooomed'] })).toMatchObject({ code: 2, stdout: '' })
    expect(await cli.run(args, { tty: true, answers: ['doomed '] })).toMatchObject({ code: 0, stdout: '' })
    expect((await cli.run(['client', 'show', 'doomed'])).code).toBe(6)
  })

  test('takes the delegation along with --complete', async () => {
    const id = await registerDelegate('erased')
    const gone = await cli.read(['client', 'delete', id, '--complete', '--confirm', 'erased'])
    expect(gone).toEqual({ client_id: id, name: 'erased', status: 'deleted' })
    const left = await cli.read(['delegation', 'list'])
    expect(left.map((found: { client_id: string }) => found.client_id)).not.toContain(id)
  })
})

describe('authsec client register --dynamic and client rotate', () => {
  test('show a secret that works, and with an overlap both do until it ends', async () => {
    const { client_id: id = '', client_secret: first = '' } = await registerApp('app')
    expect(await canProve(id, first)).toBe(true)

    const rotated = await cli.read(['client', 'rotate', id, '--overlap', '1h'])
    expect(rotated).toMatchObject({ client_id: id, former_secret_expires_at: '2026-11-24T10:00:00Z' })
    const second = rotated.client_secret as string
    expect([await canProve(id, first), await canProve(id, second)]).toEqual([true, true])

    cli.server.now += 3_600_000
    expect([await canProve(id, first), await canProve(id, second)]).toEqual([false, true])
  })

  test('without an overlap the former secret ends at once, also one that was good for a while yet', async () => {
    const { client_id: id = '', client_secret: first = '' } = await registerApp('leaked')
    const { client_secret: second } = await cli.read(['client', 'rotate', id, '--overlap', '1h'])
    const { client_secret: third } = await cli.read(['client', 'rotate', id, '--confirm', 'leaked'])
    expect([await canProve(id, first), await canProve(id, second), await canProve(id, third)]).toEqual([
      false,
      false,
      true,
    ])
  })

  test('keep the secret in a file that only its owner can read', async () => {
    const file = join(await makeDirectory(), 'app.json')
    const args = ['client', 'register', 'filed', '--dynamic', '--auth-method', 'client_secret_post']
    const run = await cli.run([...args, '--secret-out', file])
    const stored = JSON.parse(await readFile(file, 'utf8'))
    expect(run.code).toBe(0)
    for (const secret of [stored.client_secret, stored.registration_access_token]) {
      expect(secret).toMatch(/^[\w-]{43}$/)
      expect(run.stdout + run.stderr).not.toContain(secret)
    }
    expect((await stat(file)).mode & 0o777).toBe(0o600)

    const again = ['client', 'register', 'other', '--dynamic', '--secret-out', file]
    expect(await cli.run(again)).toMatchObject({
      code: 7,
      stderr: expect.stringContaining('a secret is never overwritten'),
    })
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(stored)

    const secretFile = join(await makeDirectory(), 'secret')
    const rotate = ['client', 'rotate', 'filed', '--confirm', 'filed', '--secret-out', secretFile]
    const rotated = await cli.run([...rotate, '--json'])
    const secret = (await readFile(secretFile, 'utf8')).trim()
    expect(JSON.parse(rotated.stdout)).toMatchObject({ file: secretFile })
    expect(rotated.stdout + rotated.stderr).not.toContain(secret)
    expect((await stat(secretFile)).mode & 0o777).toBe(0o600)
    const nowhere = ['client', 'rotate', 'filed', '--confirm', 'filed', '--secret-out', '/dev/null']
    expect(await cli.run(nowhere)).toMatchObject({ code: 0 })
  })

  test('make no secret that there is no place for', async () => {
    const before = (await cli.read(['client', 'list', '--all'])).length
    const file = join(await makeDirectory(), 'file')
    await writeFile(file, '')
    const nowhere = ['--secret-out', join(file, 'secret')]
    expect(await cli.run(['client', 'register', 'lost', '--dynamic', ...nowhere])).toMatchObject({ code: 2 })
    expect((await cli.read(['client', 'list', '--all'])).length).toBe(before)
  })

  test('mask the secret before they print it in GitHub Actions', async () => {
    const run = await cli.run(['client', 'rotate', 'app', '--overlap', '1h', '--json'], {
      env: { GITHUB_ACTIONS: 'true' },
    })
    expect(run.stderr).toContain(`::add-mask::${JSON.parse(run.stdout).client_secret}\n`)
  })

  test('rotate tells with --dry-run that programs would stop', async () => {
    expect((await cli.read(['client', 'rotate', 'app', '--dry-run'])).stops).toHaveLength(1)
    expect((await cli.read(['client', 'rotate', 'app', '--dry-run', '--overlap', '1h'])).stops).toEqual([])
  })

  test.each([
    {
      why: 'a client has no secret',
      args: ['demo-agent', '--overlap', '1h'],
      code: 7,
      stderr: /has no secret/,
    },
    { why: 'nobody confirms', args: ['app'], code: 2, stderr: /has to be confirmed/ },
    { why: 'the overlap is too long', args: ['app', '--overlap', '8d'], code: 2, stderr: /overlap_seconds/ },
    { why: 'there is no such client', args: [UNKNOWN, '--overlap', '1h'], code: 6, stderr: /no client/ },
  ])('rotate is refused when $why', async ({ args, code, stderr }) => {
    const run = await cli.run(['client', 'rotate', ...args])
    expect(run).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(stderr) })
  })

  test.each([
    {
      why: 'no keys for the method that needs them',
      args: ['--dynamic', '--auth-method', 'private_key_jwt'],
    },
    { why: 'credentials without --dynamic', args: ['--auth-method', 'none'] },
    { why: 'a file of declarations', args: ['--dynamic', '--file', 'x.json'] },
    {
      why: 'the agent type of an application',
      args: ['--dynamic', '--type', 'application', '--agent-type', 'y'],
    },
  ])('register is refused with $why', async ({ args }) => {
    expect(await cli.run(['client', 'register', 'x', ...args])).toMatchObject({ code: 2, stdout: '' })
  })

  test.each([
    ['--platform', 'docker'],
    ['--selector', 'k8s:ns=billing'],
    ['--email', 'x@example.com'],
  ])('register has no %s where a client registers itself', async (flag, value) => {
    const run = await cli.run(['client', 'register', 'x', '--dynamic', flag, value])
    expect(run).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(`${flag} `) })
    expect(run.stderr).toContain('--dynamic')
  })
})

describe('authsec client register --file', () => {
  const declare = (value: unknown, args: readonly string[] = []) =>
    cli.run(['client', 'register', '--file', '-', ...args], {
      stdin: typeof value === 'string' ? value : JSON.stringify(value),
    })

  test('registers what is declared, an agent when it has an agent type', async () => {
    const { code, stdout } = await declare(
      [{ name: 'one' }, { name: 'two', agent_type: 'crewai' }],
      ['--json'],
    )
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject([
      { client_id: expect.stringMatching(UUID), name: 'one', client_type: 'application' },
      { name: 'two', client_type: 'ai_agent', spiffe_id: expect.stringContaining('/agents/crewai/') },
    ])
  })

  test('reads a file too', async () => {
    const file = join(await makeDirectory(), 'client.json')
    const declared = {
      name: 'filed-bot',
      agent_type: 'x',
      platform: 'unix',
      selectors: { 'unix:uid': '1000' },
    }
    await writeFile(file, JSON.stringify(declared))
    expect(await cli.read(['client', 'register', '--file', file])).toMatchObject({ name: 'filed-bot' })
    expect(await cli.run(['client', 'register', '--file', '/nowhere.json'])).toMatchObject({ code: 6 })
  })

  test.each([
    { why: 'no JSON', value: '{', stderr: /not valid JSON/ },
    { why: 'a second one that is wrong', value: [{ name: 'fine' }, {}], stderr: /has no "name"/ },
  ])('registers nothing at all with $why', async ({ value, stderr }) => {
    const before = (await cli.read(['client', 'list', '--all'])).length
    expect(await declare(value)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(stderr) })
    expect((await cli.read(['client', 'list', '--all'])).length).toBe(before)
  })
})

describe('authsec client register on a terminal', () => {
  test('asks for what no flag says, down to the selectors and the policy', async () => {
    const answers = [
      'desk-bot',
      'an agent, which acts for people',
      'desk',
      'Kubernetes',
      'k8s:ns,k8s:sa',
      'billing',
    ]
    const run = await cli.run(['client', 'register'], {
      tty: true,
      answers: [...answers, 'desk-sa', 'billing:read,orders:read', 'member', '2h'],
    })
    expect(run).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/no policy lets anybody .*\nmade policy /s),
    })
    const policies = await cli.read(['policy', 'list'])
    const made = policies.find(({ agent_type }: { agent_type: string }) => agent_type === 'desk')
    expect(made).toMatchObject({
      role_name: 'member',
      agent_type: 'desk',
      allowed_permissions: ['billing:read', 'orders:read'],
      resources: ['https://billing.example', 'https://orders.example'],
      max_ttl_seconds: 7200,
    })
  })

  test('asks nothing that a flag has said, and makes no policy that nobody wants', async () => {
    const run = await cli.run(
      [
        'client',
        'register',
        '--agent-type',
        'desk2',
        '--platform',
        'docker',
        '--selector',
        'docker:image-id=a',
      ],
      {
        tty: true,
        answers: ['quiet-bot', ''],
      },
    )
    expect(run.code).toBe(0)
    const policies = await cli.read(['policy', 'list'])
    expect(policies.map(({ agent_type }: { agent_type: string }) => agent_type)).not.toContain('desk2')
  })

  test('never asks where nobody can answer', async () => {
    expect(await cli.run(['client', 'register'])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: /no name is given\nhint: /,
    })
    expect(await cli.run(['client', 'register', '--no-input'], { tty: true })).toMatchObject({ code: 2 })
  })
})
