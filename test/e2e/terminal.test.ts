import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { buildCommand } from '../support/built-command.js'
import { startTestServer, type TestServer } from '../support/running-server.js'
import { isMissing } from '../support/system-program.js'
import { openTerminal, type Terminal, type TerminalOptions } from '../support/terminal.js'

const ADMIN = 'admin@authsec.test'
const PASSWORD = 'correct horse battery'
const NARROW = 40

let place: string
let script: string
let server: TestServer
beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'authsec-terminal-test-'))
  script = await buildCommand(place)
  await writeFile(join(place, 'kek'), randomBytes(32).toString('base64'), { mode: 0o600 })
  server = await startTestServer({ clock: Date.now, passwords: { [ADMIN]: PASSWORD } })
  return async () => {
    await server.close()
    await rm(place, { recursive: true, force: true })
  }
})

const open: Terminal[] = []
afterEach(async () => {
  for (const terminal of open.splice(0)) await terminal.close()
})

/**
 * The command in front of the server, in a terminal with the session of its admin unless the environment says
 * otherwise.
 */
async function start(args: readonly string[], { env, ...options }: TerminalOptions = {}): Promise<Terminal> {
  const session = { AUTHSEC_TENANT: server.tenantId, AUTHSEC_TOKEN: server.adminToken }
  const terminal = await openTerminal([process.execPath, script, ...args], {
    ...options,
    env: { AUTHSEC_CONFIG_DIR: join(place, 'config'), AUTHSEC_SERVER: server.url, ...(env ?? session) },
  })
  open.push(terminal)
  return terminal
}

async function listClients(): Promise<string[]> {
  const path = `/authsec/clientms/tenants/${server.tenantId}/clients/getClients`
  return (await server.call('GET', path, { admin: true })).json.clients.map(
    ({ name }: { name: string }) => name,
  )
}

/** What is asked, and what a person types then. */
type Dialogue = readonly (readonly [question: string, ...keys: string[]])[]

const REGISTER: Dialogue = [
  ['Name of the client:', 'shop-bot', 'Enter'],
  ['What is it?', 'Enter'],
  ['Kind of agent', 'crewai', 'Enter'],
  ['Where does it run?', 'Down', 'Enter'],
  ['By what is it recognised there?', 'Space', 'Enter'],
  ['k8s:ns:', 'shops', 'Enter'],
  ['What may people let shop-bot do?', 'Space', 'Enter'],
  ['Role of the people', 'member', 'Enter'],
  ['How long does a delegation live', 'Enter'],
]
/** From here on the client is registered and printed, and what is asked is about a policy. */
const REGISTERED = 6

const POLICY: Dialogue = [
  ['What may be delegated?', 'Space', 'Enter'],
  ['Role of the people', 'member', 'Enter'],
  ['Kind of agent', 'crewai', 'Enter'],
  ['How long', 'Enter'],
]
const RESOURCE: Dialogue = [
  ['Address of the API', 'https://shop.example', 'Enter'],
  ['Permissions of its tokens', 'Enter'],
]
const GRANT: Dialogue = [
  ['Which agent may act for you?', 'Enter'],
  ['Which APIs may it reach?', 'Space', 'Enter'],
  ['For how long', '1h', 'Enter'],
]
const INIT =
  'dev init --state PLACE/team --issuer https://a.example --admin a@b.test --kek-file PLACE/kek'.split(' ')

interface Leaving {
  args: readonly string[]
  before: Dialogue
  question: string
  registers: boolean
}

const PROMPTS: readonly Leaving[] = [
  { args: ['login', '--email', ADMIN], before: [], question: 'assword', registers: false },
  { args: ['client', 'delete', 'demo-agent'], before: [], question: 'Type demo-agent', registers: false },
  { args: ['delegation', 'revoke', 'demo-agent'], before: [], question: 'Type demo-agent', registers: false },
  { args: ['client', 'rotate', 'demo-agent'], before: [], question: 'Type demo-agent', registers: false },
  {
    args: ['token', 'revoke', '--client', 'demo-agent'],
    before: [],
    question: 'Type demo',
    registers: false,
  },
  {
    args: ['resource', 'delete', 'https://billing.example'],
    before: [],
    question: 'Type http',
    registers: false,
  },
  { args: ['keys', 'rotate', '--purpose', 'base'], before: [], question: 'Type base', registers: false },
  ...leaveEach(['policy', 'create'], POLICY),
  ...leaveEach(['resource', 'create'], RESOURCE),
  ...leaveEach(['delegation', 'grant'], GRANT),
  ...['Password of the admin', 'The same again'].map((_, index, questions) => ({
    args: INIT,
    before: questions.slice(0, index).map((asked) => [asked, PASSWORD, 'Enter'] as const),
    question: questions[index] ?? '',
    registers: false,
  })),
  ...leaveEach(['client', 'register'], REGISTER, REGISTERED),
]

/** Leaves a command at each of its questions; from `registersFrom` on there is a client more. */
function leaveEach(
  args: readonly string[],
  dialogue: Dialogue,
  registersFrom = Number.POSITIVE_INFINITY,
): Leaving[] {
  return dialogue.map(([question], index) => ({
    args,
    before: dialogue.slice(0, index),
    question,
    registers: index >= registersFrom,
  }))
}

async function converse(terminal: Terminal, dialogue: Dialogue): Promise<void> {
  for (const [question, ...keys] of dialogue) {
    await terminal.see(question)
    await terminal.press(...keys)
  }
}

describe.skipIf(isMissing('tmux'))('a person at a terminal', () => {
  test('logs in with a code that is confirmed elsewhere', async () => {
    const terminal = await start(['login'], { env: {} })
    await terminal.see(/your code is \S+/)
    const user_code = /your code is (\S+)/.exec(await terminal.read())?.[1]
    const confirmed = await server.call('POST', '/authsec/uflow/auth/device/authorize', {
      admin: true,
      json: { user_code, approved: true },
    })
    expect(confirmed.status).toBe(200)
    expect(await terminal.end()).toBe(0)
    expect(await terminal.read()).toContain(`logged in to ${server.url} as ${ADMIN}`)
  })

  test('logs in with a password, and it is not shown', async () => {
    const terminal = await start(['login', '--email', ADMIN], { env: {} })
    await converse(terminal, [['assword', PASSWORD, 'Enter']])
    expect(await terminal.end()).toBe(0)
    const screen = await terminal.read()
    expect(screen).toContain(`logged in to ${server.url} as ${ADMIN}`)
    expect(screen).not.toContain('correct')
  })

  test('registers an agent with its policy, answering what is asked', async () => {
    const terminal = await start(['client', 'register'])
    await converse(terminal, REGISTER)
    expect(await terminal.end()).toBe(0)
    expect(await terminal.read()).toMatch(
      /^name +shop-bot$(.|\n)*^made policy \S+: authsec delegation grant/m,
    )
    const policies = await server.call('GET', '/authsec/uflow/delegation-policies', { admin: true })
    expect(policies.json).toContainEqual(
      expect.objectContaining({ agent_type: 'crewai', role_name: 'member', max_ttl_seconds: 28_800 }),
    )
  })

  test('delegates to an agent, choosing what is asked', async () => {
    const allowed = await server.call('POST', '/authsec/uflow/delegation-policies', {
      admin: true,
      json: {
        role_name: 'admin',
        agent_type: 'langchain',
        allowed_permissions: ['billing:read'],
        resources: ['https://billing.example'],
      },
    })
    expect(allowed.status).toBe(201)
    const terminal = await start(['delegation', 'grant'])
    await converse(terminal, GRANT)
    expect(await terminal.end()).toBe(0)
    const screen = await terminal.read()
    expect(screen).toMatch(/^audience +https:\/\/billing\.example$/m)
    expect(screen).toMatch(/^expires +\S/m)
  })

  test.each(PROMPTS)(
    'leaves $args at "$question" with Ctrl-C',
    async ({ args, before, question, registers }) => {
      // A kind of agent that no policy knows, so that all questions are asked whatever was registered before.
      const kind = `kind-${PROMPTS.length}-${before.length}`
      const known = await listClients()
      const terminal = await start(args.map((arg) => arg.replace('PLACE', place)))
      await converse(
        terminal,
        before.map(([asked, ...keys]) => [asked, ...keys.map((key) => (key === 'crewai' ? kind : key))]),
      )
      await converse(terminal, [[question, 'C-c']])
      expect(await terminal.end()).toBe(130)
      expect(await terminal.read()).not.toMatch(/^authsec: |^ +at /m)
      expect(await listClients()).toHaveLength(known.length + (registers ? 1 : 0))
    },
  )

  test('stops waiting for a code with Ctrl-C', async () => {
    const terminal = await start(['login'], { env: {} })
    await converse(terminal, [['waiting; the code expires', 'C-c']])
    expect(await terminal.end()).toBe(130)
  })

  test('follows the log until Ctrl-C, which says how to go on', async () => {
    const terminal = await start(['audit', 'tail', '-n', '1'])
    await terminal.see(/^ +\d+ +\d{4}-.* allow /m)
    await terminal.resize(NARROW)
    expect((await server.exchange()).status).toBe(200)
    await converse(terminal, [['exchanged a token', 'C-c']])
    expect(await terminal.end()).toBe(130)
    expect(await terminal.read()).toMatch(/go on with: authsec audit tail --cursor \d+:[\da-f-]{36}@/)
  })

  test('goes on answering when the terminal becomes narrow in between', async () => {
    const terminal = await start(['client', 'register', '--type', 'ai_agent', '--agent-type', 'langchain'])
    await converse(terminal, [['Name of the client:', 'narrow-bot']])
    await terminal.resize(NARROW)
    await terminal.press('Enter')
    await converse(terminal, [['Where does it run?', 'Enter']])
    expect(await terminal.end()).toBe(0)
    expect(await listClients()).toContain('narrow-bot')
  })

  test('reads a topic of the help in 40 columns, no line longer', async () => {
    const terminal = await start(['help', 'exit-codes'], { columns: NARROW })
    expect(await terminal.end()).toBe(0)
    for (const line of (await terminal.read()).split('\n')) expect(line.length).toBeLessThanOrEqual(NARROW)
  })

  test.each([
    { args: ['client', 'list'], row: /^client id:\s+\S+\nname: demo-agent\n/m },
    { args: ['policy', 'list'], row: /^policy id:\s+\S+\nrole: member\nagent type: langchain\n/m },
    { args: ['keys', 'list'], row: /^kid:\s+\S+\npurpose: base\nalg: RS256\nstate: active\n/m },
  ])('reads authsec $args in 40 columns, row by row and whole', async ({ args, row }) => {
    const terminal = await start(args, { columns: NARROW })
    expect(await terminal.end()).toBe(0)
    const screen = await terminal.read()
    expect(screen).toMatch(row)
    expect(screen).not.toContain('…')
  })
})
