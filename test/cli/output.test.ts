import { describe, expect, test } from 'vitest'
import { readSelection } from '../../src/cli/json-selection.js'
import { type RunOptions, runCli } from '../support/run-cli.js'
import { ADMIN, CLIENT_ID, stubServer, TENANT } from '../support/stub-server.js'

const CLIENTS = [
  { client_id: CLIENT_ID, name: 'billing-bot', active: true, agent_type: 'langchain', nested: { deep: 1 } },
  { client_id: '1c6f9a52-1f4e-4f0a-8d39-5b1a7c2e4d11', name: 'a\u001b[2Jb', active: false },
]

const list = (args: readonly string[], options: RunOptions = {}) =>
  runCli(['client', 'list', ...args], {
    env: ADMIN,
    fetch: stubServer({
      [`GET /authsec/clientms/tenants/${TENANT}/clients/getClients`]: {
        clients: CLIENTS,
        pagination: { total_pages: 1 },
      },
    }).fetch,
    ...options,
  })

describe('--fields', () => {
  test('selects members of each object, implies --json, and reaches inside', async () => {
    const { code, stdout, stderr } = await list(['--fields', 'name,nested.deep'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toBe(
      '[{"name":"billing-bot","nested.deep":1},{"name":"a\\u001b[2Jb","nested.deep":null}]\n',
    )
  })

  test('says which fields there are when none has the name, and loses nothing', async () => {
    const { code, stdout, stderr } = await list(['--fields', 'nam,client_id'])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)[0]).toEqual({ nam: null, client_id: CLIENT_ID })
    expect(stderr).toMatch(/^warning: no field is named nam; there are client_id, name, active/)
  })

  test('says so once in a stream, whose lines are of several kinds', async () => {
    const said: string[] = []
    const select = await readSelection({ fields: ['seq', 'nam'] }, (text) => said.push(text))
    const lines = [{ kind: 'event', seq: 1 }, { kind: 'heartbeat' }, { kind: 'heartbeat' }]
    expect(lines.flatMap((line) => select?.(line))).toMatchObject([{ seq: 1 }, { seq: null }, { seq: null }])
    expect(said).toEqual(['no field is named nam; there are kind, seq'])
  })

  test.each(['', 'a b', 'a,', '$(x)'])('refuses the list %j', async (fields) => {
    expect(await list([`--fields=${fields}`])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('is not a list of fields'),
    })
  })
})

describe('--jq', () => {
  test.each([
    { filter: '.[].name', stdout: 'billing-bot\na\\u001b[2Jb\n' },
    { filter: 'map(select(.active)) | length', stdout: '1\n' },
    { filter: '.[0] | {client_id}', stdout: `{"client_id":"${CLIENT_ID}"}\n` },
    { filter: '.[] | select(.name == "nobody")', stdout: '' },
  ])('prints what $filter makes of it, texts without quotes', async ({ filter, stdout }) => {
    expect(await list(['--jq', filter])).toEqual({ code: 0, stdout, stderr: '' })
  })

  test('is given what --fields has left', async () => {
    expect((await list(['--fields', 'name', '--jq', '.[0] | keys | join(" ")'])).stdout).toBe('name\n')
  })

  test.each([
    { filter: '.[', says: /--jq \\"\.\[\\" is not a jq filter: syntax error, unexpected end of file/ },
    { filter: 'nonsense', says: /is not a jq filter: nonsense\/0 is not defined/ },
    { filter: '.name', says: /cannot be applied: cannot index array/i },
  ])('refuses $filter as one error object', async ({ filter, says }) => {
    const { code, stdout, stderr } = await list(['--jq', filter])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(JSON.parse(stderr).error.code).toBe('usage')
    expect(stderr).toMatch(says)
  })

  test.each([
    ['--jq', '.'],
    ['--fields', 'a'],
  ])('is refused where there is no JSON: %s', async (flag, value) => {
    const { code, stderr } = await runCli(['profile', 'use', 'dev', flag, value])
    expect(code).toBe(2)
    expect(JSON.parse(stderr).error.message).toBe(
      `${flag} is about JSON, which authsec profile use does not print`,
    )
  })
})

describe('--quiet', () => {
  test('leaves standard error to warnings and errors', async () => {
    const fetch = stubServer({
      [`GET /authsec/clientms/tenants/${TENANT}/clients/getClients`]: { clients: [] },
    }).fetch
    expect((await list([], { fetch })).stderr).toBe('no clients\n')
    expect(await list(['--quiet'], { fetch })).toEqual({ code: 0, stdout: '', stderr: '' })
    expect((await runCli(['client', 'list', '-q'])).stderr).toMatch(/^authsec: no server is given/)
  })
})

describe('ACCESSIBLE', () => {
  test('turns a table into paragraphs on a terminal', async () => {
    const env = { ...ADMIN, ACCESSIBLE: '1' }
    expect((await list([], { env, tty: true })).stdout).toBe(
      [
        `client id: ${CLIENT_ID}`,
        'name: billing-bot',
        'agent type: langchain',
        'status: active',
        '',
        'client id: 1c6f9a52-1f4e-4f0a-8d39-5b1a7c2e4d11',
        'name: a\\u001b[2Jb',
        'status: inactive',
        '',
      ].join('\n'),
    )
  })
})

describe('a secret among the flags', () => {
  test.each([
    ['login', '--email', 'a@b.test', '--password', 'planted-secret'],
    ['login', '--password=planted-secret'],
    ['client', 'list', '--token', 'planted-secret'],
    ['dev', 'serve', '--kek=planted-secret'],
  ])('is refused with what to do instead, and not repeated: %s %s', async (...args) => {
    const run = await runCli(args)
    expect(run).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(
        /^authsec: --\w+ does not exist: a secret on the command line .*\nhint: /,
      ),
    })
    expect(run.stderr).not.toContain('planted-secret')
  })
})
