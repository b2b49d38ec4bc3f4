import { generateKeyPairSync } from 'node:crypto'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inject } from 'vitest'
import { AuthsecError } from '../../../src/core/errors.js'
import { startServer } from '../../../src/server/index.js'
import { startIdentityIssuer } from '../../support/identity-issuer.js'
import { makePostgresSchema, type PostgresSchema } from '../../support/postgres-schema.js'
import { type Run, type RunOptions, runCli } from '../../support/run-cli.js'
import { startTestServer, type TestServer } from '../../support/running-server.js'
import { createKey, signJwt } from '../../support/token-issuer.js'

/** Where the examples are at home: a real server, an issuer that stands for GitHub, and a directory with their files. */
export interface World {
  server: TestServer
  /** Runs a command as an admin would, in the directory. */
  run(args: readonly string[], options?: RunOptions): Promise<Run>
  /** Makes everything so that this line works: what it is about is there, and what it makes is not. */
  prepare(line: string): Promise<void>
  /** The line with the ids and keys of this world in it. */
  adapt(line: string): Promise<string>
  /** What a person does while the line runs: types answers, confirms a code in a browser, presses Ctrl-C. */
  attend(line: string): Promise<RunOptions>
  close(): Promise<void>
}

const GITHUB = 'https://token.actions.githubusercontent.com'
const TEAM = 'https://authsec.example'
const GATEWAY = 'https://gateway.example'
const ADMIN = 'admin@authsec.test'
const PASSWORD = 'correct horse battery'
const POLICY = '3f8e1f0c-2f3f-4d0e-9d0a-8f4f0f6a1c22'
/** What a person types where an example asks. */
const ANSWERS: Readonly<Record<string, readonly string[]>> = {
  'client register': ['typed-bot', 'an application'],
  'delegation revoke billing-bot': ['billing-bot'],
}
const CLIENT = '0c6f9a52-1f4e-4f0a-8d39-5b1a7c2e4d10'

function findAnswers(line: string): readonly string[] | undefined {
  return /^authsec dev init|--ask-password/.test(line)
    ? [PASSWORD, PASSWORD]
    : ANSWERS[line.replace(/^authsec /, '')]
}

/** Opens a world in an empty directory, which is the working directory of the process until it is closed. */
export async function openWorld(): Promise<World> {
  const before = process.cwd()
  const directory = await mkdtemp(join(tmpdir(), 'authsec-world-'))
  process.chdir(directory)
  const server = await startTestServer({ passwords: { [ADMIN]: PASSWORD } })
  const runner = await startIdentityIssuer(() => server.now, server.url)
  const github = await startIdentityIssuer(() => server.now, server.url)
  github.metadata = { issuer: GITHUB }
  const config = join(directory, 'config')

  // The addresses of the examples, and where they are really.
  const places: Readonly<Record<string, string>> = { [GITHUB]: github.url, [TEAM]: server.url }
  const codes: string[] = []
  const route: typeof fetch = async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input)
    const place = places[url.origin] ?? url.origin
    const response = await fetch(`${place}${url.pathname}${url.search}`, init)
    if (url.pathname.endsWith('/device/code'))
      codes.push(((await response.clone().json()) as Row)['user_code'] ?? '')
    return response
  }

  const environment = () => ({
    AUTHSEC_CONFIG_DIR: config,
    AUTHSEC_CLIENT_ID: server.clientId,
    AUTHSEC_TENANT: server.tenantId,
    XDG_STATE_HOME: join(directory, 'state'),
    ...runner.jobVariables,
  })
  const run: World['run'] = (args, { env, ...options } = {}) =>
    runCli(args, {
      clock: { now: () => server.now },
      fetch: route,
      workingDirectory: directory,
      ...options,
      env: { ...environment(), AUTHSEC_TOKEN: server.adminToken, ...env },
    })
  const must = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(args)
    if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${stderr}`)
    return stdout
  }
  const find = async (args: readonly string[], matches: (row: Row) => boolean): Promise<Row | undefined> =>
    (JSON.parse(await must(...args, '--json')) as Row[]).find(matches)

  async function forget(name: string): Promise<void> {
    const client = await find(['client', 'list', '--all'], (row) => row['name'] === name)
    const id = client?.['client_id']
    if (id !== undefined) await must('client', 'delete', id, '--confirm', name)
  }

  async function registerBot(name: string): Promise<void> {
    if (await find(['client', 'list', '--all'], (row) => row['name'] === name)) {
      await must('client', 'activate', name)
    } else {
      await must('client', 'register', name, '--type', 'ai_agent', '--agent-type', 'langchain')
    }
    await must('delegation', 'grant', name)
  }

  async function registerApp(): Promise<void> {
    if (await find(['client', 'list', '--all'], (row) => row['name'] === 'billing-app')) return
    const how = ['--auth-method', 'client_secret_basic', '--grant-type', 'client_credentials']
    await must('client', 'register', 'billing-app', '--dynamic', ...how, '--permission', 'billing:read')
  }

  async function ensure(
    kind: 'policy' | 'resource' | 'role' | 'trust' | 'user',
    isThere: (row: Row) => boolean,
    ...make: string[]
  ) {
    if (!(await find([kind, 'list'], isThere))) await must(kind, ...make)
  }

  async function remove(
    kind: 'policy' | 'resource' | 'trust',
    member: string,
    matches: (row: Row) => boolean,
  ) {
    const row = await find([kind, 'list'], matches)
    const id = row?.[member]
    if (id !== undefined) await must(kind, 'delete', id, '--confirm', id)
  }

  const isExample = (row: Row) => row['agent_type'] === 'crewai'
  const isGateway = (row: Row) => row['uri'] === GATEWAY
  const isShipping = (row: Row) => row['uri'] === 'https://shipping.example'
  const ruleOf = (line: string) => / trust \w+ (\w+)/.exec(line)?.[1] ?? 'runner'
  const TERMS = [
    '--role',
    'member',
    '--agent-type',
    'crewai',
    '--permission',
    'billing:read',
    '--max-ttl',
    '8h',
  ]
  const POLICY_OF_ADMIN = ['--role', 'admin', '--agent-type', 'langchain', '--max-ttl', '24h']
  const REACH = ['billing', 'orders'].flatMap((name) => [
    ...['--permission', `${name}:read`],
    ...['--resource', `https://${name}.example`],
  ])
  const TEAM_STATE = [
    '--issuer',
    TEAM,
    '--admin',
    'ada@team.example',
    '--kek-file',
    'kek',
    '--password-stdin',
  ]
  const DEV_STATE = join('state', 'authsec', 'dev')
  let tenantId = ''
  let made = 0
  let schema: PostgresSchema | undefined
  let store: URL | undefined
  // To fill a state takes keys and a password: it is done once.
  let filledTeam: Promise<string> | undefined

  async function prepareServer(line: string): Promise<void> {
    const isAdminPolicy = (row: Row) => row['role_name'] === 'admin' && row['agent_type'] === 'langchain'
    await ensure('policy', isAdminPolicy, 'create', ...POLICY_OF_ADMIN, ...REACH, '--resource', GATEWAY)
    await ensure('resource', isGateway, 'create', GATEWAY, '--permission', 'orders:read')
    if (line.includes('client register')) {
      for (const name of ['billing-bot', 'billing-app']) await forget(name)
    } else if (/billing-bot|leaked/.test(line)) {
      // One that an example has given another name, or keys, is not the one that the next means.
      for (const name of ['billing-agent', 'billing-bot']) await forget(name)
      await registerBot('billing-bot')
    }
    if (/orders-bot|--chain/.test(line)) await registerBot('orders-bot')
    if (line.includes('billing-app') && !line.includes('client register')) await registerApp()
    if (line.includes('policy create')) await remove('policy', 'id', isExample)
    else if (line.includes(POLICY)) {
      await ensure('policy', isExample, 'create', ...TERMS, '--resource', 'https://billing.example')
    }
    if (/ (user|role) (?!create|list)/.test(line)) {
      const isShipper = (row: Row) => row['name'] === 'shipper'
      await ensure('role', isShipper, 'create', 'shipper', '--permission', 'shipping:read')
      const isBob = (row: Row) => row['email'] === 'bob@team.example'
      await ensure('user', isBob, 'create', 'bob@team.example')
    }
    if (line.includes('resource create')) await remove('resource', 'uri', isShipping)
    else if (line.includes('shipping'))
      await ensure('resource', isShipping, 'create', 'https://shipping.example')
    const isRule = (row: Row) => row['name'] === ruleOf(line)
    if (line.includes('trust create')) await remove('trust', 'name', isRule)
    else if (/ trust | ci /.test(line)) {
      const rule = ['--client', 'demo-agent', '--issuer', runner.url, '--subject', 'repo:acme/shop:**']
      await ensure('trust', isRule, 'create', ruleOf(line), ...rule)
    }
  }

  async function prepareFiles(line: string): Promise<void> {
    const write = (name: string, content: string | object) =>
      writeFile(name, typeof content === 'string' ? content : JSON.stringify(content), { mode: 0o600 })
    const mint = (...args: string[]) => must('token', 'mint', ...args)
    const call = ['--audience', 'https://billing.example', '--permission', 'billing:read']
    const pem = (bits: 'ec' | 'rsa') => {
      const { privateKey } =
        bits === 'ec'
          ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
          : generateKeyPairSync('rsa', { modulusLength: 2048 })
      return privateKey
    }
    const jwk = () => ({ ...pem('ec').export({ format: 'jwk' }), alg: 'ES256', use: 'sig' })
    const text = (bits: 'ec' | 'rsa') => pem(bits).export({ format: 'pem', type: 'pkcs8' }) as string
    const files: Readonly<Record<string, () => Promise<string | object>>> = {
      'token.jwt': async () => (line.includes('--jwks') ? foreign() : mint(...call)),
      'works.jwt': () => mint(...call),
      'arguments.json': async () => ({ invoice: 'i-1' }),
      'bound.jwt': () => mint(...call, '--tool', 'refund', '--call', 'arguments.json'),
      'fails.jwt': () => mint('--audience', 'https://orders.example'),
      'before.jwt': () => mint(),
      'leaked.jwt': () => mint('--client', 'billing-bot', ...call),
      'call.jwt': () => mint('--client', 'orders-bot', '--audience', GATEWAY),
      'base.jwt': () => mint('--client', 'orders-bot'),
      'session.jwt': async () => server.adminToken,
      'id.jwt': async () => github.sign({ iss: GITHUB, repository_owner_id: '42' }),
      'keys.json': async () => ({ keys: [FOREIGN.jwk] }),
      'private.pem': async () => text('ec'),
      'key.pem': async () => text('rsa'),
      'old.pem': async () => text('ec'),
      'key.jwk': async () => jwk(),
      'agent.jwk': async () => jwk(),
      'jwks.json': async () => ({ keys: [FOREIGN.jwk] }),
      'new.jwk': async () => jwk(),
      'clients.json': async () => [{ name: 'declared-bot', agent_type: 'langchain' }],
      'policies.json': async () => [
        {
          role_name: 'member',
          agent_type: 'crewai',
          allowed_permissions: ['billing:read'],
          resources: ['https://billing.example'],
          max_ttl: '8h',
        },
      ],
      'resources.json': async () => [{ uri: 'https://declared.example', permissions: ['declared:read'] }],
      'delegations.json': async () => ({ client: 'billing-bot', ttl: '8h' }),
      'rules.json': () => must('trust', 'list', '--json'),
      'password.txt': async () => `${PASSWORD}\n`,
      'team.json': async () => ({
        roles: { admin: ['admin:access'] },
        users: [{ email: 'ada@team.example', roles: ['admin'] }],
      }),
      kek: async () => `${Buffer.alloc(32, 7).toString('base64')}\n`,
      'kek.new': async () => `${Buffer.alloc(32, 8).toString('base64')}\n`,
    }
    // What a line writes it makes itself.
    const made = [
      ...line.matchAll(/(?:--out|--secret-out|--bundle|--ready-file|--old-log|snapshot save|>) *(\S+)/g),
    ].map(([, name]) => name)
    for (const name of made) if (name) await rm(name, { recursive: true, force: true })
    for (const [name, make] of Object.entries(files)) {
      const isRead = new RegExp(`[ <"]${name.replace('.', '\\.')}(?!\\S)`).test(
        line.replace(/--out \S+|> *\S+/g, ''),
      )
      if (isRead) await write(name, await make())
    }
    if (/ dev | rewrap/.test(line)) await prepareState(line)
    if (line.includes('tokens/')) {
      await mkdir('tokens', { recursive: true })
      await write('tokens/a.jwt', await mint())
    }
    if (/verify (audit-2026-08|bundle)/.test(line)) {
      await rm('bundle', { recursive: true, force: true })
      await must('audit', 'export', '--format', 'bundle', '--out', 'bundle')
      if (line.includes('audit-2026-08'))
        await cp('bundle', 'audit-2026-08', { recursive: true, force: true })
    }
    if (line.includes('snapshot load')) await takeSnapshot(line)
    if (line.includes('--checkpoint head.txt')) await must('audit', 'checkpoint', '--out', 'head.txt')
  }

  // In the browser of the admin: every code that waits.
  async function confirm(): Promise<void> {
    const login = await server.call('POST', '/authsec/uflow/auth/admin/login', {
      json: { email: ADMIN, password: PASSWORD },
    })
    for (const user_code of codes.splice(0)) {
      await server.call('POST', '/authsec/uflow/auth/device/authorize', {
        json: { user_code, approved: true },
        headers: { authorization: `Bearer ${login.json.token}` },
      })
    }
  }

  // A team's server is served, or gets other keys, once it has been filled, and is filled once.
  async function prepareState(line: string): Promise<void> {
    await rm('team', { recursive: true, force: true })
    if (line.includes('postgres:')) {
      await schema?.drop()
      schema = await makePostgresSchema()
      store = new URL(schema.url)
      process.env['PGPASSWORD'] = decodeURIComponent(store.password)
      store.password = ''
    }
    const place = line.includes('postgres:') ? ['--store', `${store}`] : ['--state', 'team']
    if (!line.includes('dev init') && / --kek-file/.test(line)) {
      tenantId = line.includes('postgres:') ? await fillTeam(place) : await copyTeam()
    }
    const isOwnKek = line.startsWith('authsec keys rewrap') && !line.includes(' --kek-file')
    if (!isOwnKek && !/ snapshot | reset/.test(line)) return
    await rm(DEV_STATE, { recursive: true, force: true })
    const keys = { import: inject('serverKeys') }
    const stopped = await startServer({ state: DEV_STATE, port: 0, clock: () => server.now, keys })
    if (!line.includes('--kek-file')) tenantId = stopped.tenantId
    await stopped.close()
  }

  async function fillTeam(place: readonly string[]): Promise<string> {
    const init = ['dev', 'init', ...place, ...TEAM_STATE, '--json']
    const { code, stdout, stderr } = await run(init, { stdin: PASSWORD })
    if (code !== 0) throw new Error(`dev init ended with ${code}: ${stderr}`)
    return JSON.parse(stdout).tenant_id
  }

  async function copyTeam(): Promise<string> {
    filledTeam ??= fillTeam(['--state', 'team-filled'])
    const id = await filledTeam
    await cp('team-filled', 'team', { recursive: true })
    return id
  }

  async function takeSnapshot(line: string): Promise<void> {
    await rm('copy', { recursive: true, force: true })
    const file = / load (\S+)/.exec(line)?.[1] ?? ''
    await rm(file, { force: true })
    await must('dev', 'snapshot', 'save', file, '--state', DEV_STATE)
  }

  // The key that a line can be about, in the state that it has to be in.
  async function findKey(line: string): Promise<string | undefined> {
    const isWanted = line.includes('activate')
      ? (row: Row) => row['state'] === 'prepared' && row['alg'] === 'RS256'
      : (row: Row) => row['state'] === 'active' && row['alg'] === 'ES256'
    return (await find(['keys', 'list', '--purpose', 'call'], isWanted))?.['kid']
  }

  const FOREIGN = createKey('ES256', { kid: 'foreign' })
  const foreign = () => {
    const iat = Math.floor(server.now / 1000)
    const claims = {
      iss: 'https://auth.example',
      aud: 'https://billing.example',
      sub: 'a',
      iat,
      exp: iat + 60,
    }
    return signJwt({ alg: 'ES256', typ: 'JWT', kid: 'foreign' }, claims, FOREIGN.privateKey)
  }

  /** What authsec dev serve has written down of the log of its server. */
  async function pinLog() {
    const { verifier_key } = (await server.call('GET', '/audit/log/keys')).json
    const [origin] = verifier_key.split('+')
    return { [origin]: { verifier_key, source: 'start', servers: {} } }
  }

  return {
    server,
    run,
    async prepare(line) {
      const profiles = {
        dev: { server_url: server.url, client_id: server.clientId, generation: 'A' },
        ...(!line.includes('profile create') && { staging: { server_url: TEAM } }),
      }
      await rm(config, { recursive: true, force: true })
      await mkdir(config, { recursive: true })
      await writeFile(join(config, 'config.json'), JSON.stringify({ profile: 'dev', profiles }))
      await writeFile('authsec.config.json', JSON.stringify({ profile: 'dev' }))
      await writeFile(join(config, 'audit-logs.json'), JSON.stringify(await pinLog()))
      await prepareServer(line)
      // A key that is prepared may sign once every verifier can know it.
      if (/keys (activate|rotate)/.test(line)) server.now += 660_000
      await prepareFiles(line)
      if (line.includes('audit trace')) await server.exchange()
      // Whoever waits for a refusal is told of one.
      if (line.includes('tail --outcome deny')) await server.exchange({ resource: 'https://nowhere.example' })
      if (line.includes('login --complete')) {
        await run(['login', '--server', TEAM, '--non-interactive'], { env: { AUTHSEC_TOKEN: '' } })
        await confirm()
      }
      if (/ (logout|whoami)/.test(line)) {
        const into = line.includes('staging') ? ['--server', TEAM] : ['--server', server.url]
        await run(['login', ...into, '--email', ADMIN, '--password-stdin'], {
          stdin: PASSWORD,
          env: { AUTHSEC_TOKEN: '' },
        })
      }
    },
    async adapt(line) {
      const events = line.includes(' audit ') ? await must('audit', 'search', '--json') : ''
      const rows = events.trim() === '' ? [] : (JSON.parse(events) as { event: Row }[])
      const last = rows.at(-1)?.event
      const token = rows.findLast(({ event }) => event['jti'] !== undefined)?.event
      const policy = line.includes(POLICY) ? await find(['policy', 'list'], isExample) : undefined
      const keys = line.includes('--key authsec/') ? await readFile('bundle/keys', 'utf8') : '{}'
      const kid = line.includes('2Z7mJ…') ? await findKey(line) : undefined
      return (
        line
          .replace(POLICY, policy?.['id'] ?? POLICY)
          .replace(CLIENT, server.clientId)
          .replace(/authsec\/7f3c…\S+/, JSON.parse(keys).verifier_key)
          .replaceAll('2Z7mJ…', kid ?? '')
          .replace('postgres://authsec@db.example/authsec', `${store}`)
          .replace(/dev serve(?!.*--port)/, 'dev serve --port 0')
          .replace('/var/lib/authsec', join(directory, 'team'))
          .replace(/--confirm (?:7d0c…|"\$AUTHSEC_TENANT")/, `--confirm ${tenantId}`)
          .replace(/(audit show) \S+/, `$1 ${last?.['id']}`)
          .replace(/(audit trace) [0-9a-f-]{36}/, `$1 ${token?.['jti']}`)
          // Nobody deletes users and roles: each example makes others.
          .replace(/(user create )(\w+)/, `$1$2-${made++}`)
          .replace(/(role create )(\w+)/, `$1$2-${made++}`)
          .replace('token mint …', 'token mint --audience https://billing.example')
      )
    },
    async attend(line) {
      const keyboard = new AbortController()
      const interrupt = () => keyboard.abort(new AuthsecError('interrupted', 'interrupted'))
      const kid = /keys (?:taint|revoke) \S+$/.test(line) ? await findKey(line) : undefined
      const answers = kid !== undefined ? [kid] : line.endsWith('dev reset') ? [tenantId] : findAnswers(line)
      return {
        signal: keyboard.signal,
        ...(line.endsWith('--identity -') && { stdin: runner.sign() }),
        ...(answers && { answers, tty: { stdin: true, stderr: true } }),
        ...(/audit tail(?! -n| --no-follow)|dev serve/.test(line) && { onOutput: interrupt }),
        onComplaint(stderr) {
          if (stderr.includes('stop with Ctrl-C')) interrupt()
        },
        clock: {
          now: () => server.now,
          async sleep() {
            // Meanwhile others work, of whom the log tells, and the code of a login is confirmed.
            await server.exchange()
            await confirm()
          },
        },
        ...(/ login/.test(line) && { env: { AUTHSEC_TOKEN: '' } }),
      }
    },
    async close() {
      await github.close()
      await runner.close()
      await schema?.drop()
      await server.close()
      process.chdir(before)
      await rm(directory, { recursive: true, force: true })
    },
  }
}

type Row = Readonly<Record<string, string>>
