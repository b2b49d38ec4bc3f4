import { Readable, Writable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { createContext, readEnvironment } from '../../src/cli/context.js'
import { main } from '../../src/cli/main.js'
import { AuthsecError } from '../../src/core/errors.js'
import { NOW, runCli } from '../support/run-cli.js'
import { ADMIN, stubServer } from '../support/stub-server.js'
import { formatUnsignedJwt } from '../support/unsigned-jwt.js'

const TOKEN = formatUnsignedJwt({ alg: 'ES256', typ: 'at+jwt' }, { sub: 'user-1' })
const PIPE = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })
const FULL = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })

describe('authsec', () => {
  test.each([['--version'], ['-V']])('%s prints the version', async (flag) => {
    expect(await runCli([flag])).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
      stderr: '',
    })
  })

  test('--version --json prints an object', async () => {
    const { stdout } = await runCli(['--version', '--json'])
    expect(JSON.parse(stdout)).toEqual({ version: expect.stringMatching(/^\d/) })
  })

  test.each([
    { args: [], stderr: /^The developer toolkit/ },
    { args: ['token'], stderr: /^Get, read and verify tokens\./ },
    { args: ['tokn'], stderr: /^authsec: unknown command 'tokn'\nhint: Did you mean token\?\n$/ },
    { args: ['token', 'mnt'], stderr: /^authsec: unknown command 'mnt'\nhint: Did you mean mint\?\n$/ },
    {
      args: ['decode'],
      stderr: /^authsec: unknown command 'decode'\nhint: Did you mean authsec token decode\?\n$/,
    },
    {
      args: ['clinet', 'list'],
      stderr: /^authsec: unknown command 'clinet'\nhint: Did you mean client\?\n$/,
    },
    {
      args: ['audit', 'search', 'outcome=deny'],
      stderr: /^authsec: too many arguments for 'search'[^\n]*\nhint: [^\n]*--filter outcome=deny[^\n]*\n$/,
    },
    { args: ['xyzzy'], stderr: /^authsec: unknown command 'xyzzy'\nhint: See authsec --help\.\n$/ },
    {
      args: ['client', 'list', '--jso'],
      stderr: /^authsec: unknown option '--jso'\nhint: Did you mean --json\?\n$/,
    },
    { args: ['--colour'], stderr: /^authsec: unknown option '--colour'\nhint: Did you mean --color\?\n$/ },
    {
      args: ['login', '--password-stdin=hunter2'],
      stderr: /^authsec: unknown option '--password-stdin'\nhint: See authsec login --help\.\n$/,
    },
    {
      args: ['token', 'mint', '--client_secret=hunter2\n=3'],
      stderr: /^authsec: unknown option '--client_secret'\nhint: .+\n$/,
    },
    {
      args: ['--color', 'blue', 'help'],
      stderr: /^authsec: option '--color <when>' argument 'blue' is invalid/,
    },
    {
      args: ['audit', 'search', '--since'],
      stderr:
        /^authsec: option '--since <time>' argument missing\nhint: See authsec audit search --help\.\n$/,
    },
    { args: ['a\u001b[2J'], stderr: /unknown command 'a\\u001b\[2J'/ },
  ])('with $args is a usage error, and standard output stays empty', async ({ args, stderr }) => {
    expect(await runCli(args)).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(stderr) })
  })

  test('repeats nothing that stands behind an unknown flag, even where everything is told', async () => {
    const { stderr } = await runCli(['login', '--passwd=hunter2'], { env: { AUTHSEC_DEBUG: '1' } })
    expect(stderr).toMatch(/^authsec: unknown option '--passwd'\n/)
    expect(stderr).not.toContain('hunter2')
  })

  test.each([
    { args: ['token', '--json'], message: 'authsec token needs a command' },
    { args: ['--json'], message: 'authsec needs a command' },
    { args: ['tokn', '--json'], message: "unknown command 'tokn'" },
    { args: ['token', 'decode', 'a', 'b', '--json'], message: 'too many arguments' },
  ])('with $args says it as one object', async ({ args, message }) => {
    const { code, stdout, stderr } = await runCli(args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(JSON.parse(stderr)).toEqual({
      error: {
        code: 'usage',
        message: expect.stringContaining(message),
        hint: expect.any(String),
        request_id: null,
        retryable: false,
      },
    })
  })

  test.each([
    { args: ['token', 'verify', TOKEN] },
    { args: ['token', 'mint', '--tool', `Bearer ${TOKEN}`] },
    { args: ['audit', 'search', `--filter=jti=${TOKEN}`] },
    { args: ['token', 'decode', `--token=${TOKEN}`] },
    { args: [TOKEN] },
  ])('refuses a token among the arguments and never repeats it', async ({ args }) => {
    const run = await runCli(args)
    expect(run).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/on the command line.*\nhint: Pipe it in/),
    })
    expect(run.stderr).not.toContain(TOKEN.slice(0, 20))
  })

  test('tells a surprise in one line, and where it happened only when asked', async () => {
    const env = { ...ADMIN }
    const fetch = async () => ({ headers: null }) as unknown as Response
    const short = await runCli(['policy', 'list'], { env, fetch })
    expect(short).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^authsec: .+\nhint: Set AUTHSEC_DEBUG=1.*\n$/),
    })
    const long = await runCli(['policy', 'list'], { env: { ...env, AUTHSEC_DEBUG: '1' }, fetch })
    expect(long).toMatchObject({ code: 1, stderr: expect.stringMatching(/\n +at /) })
  })

  describe.each([{}, { AUTHSEC_DEBUG: '1' }])('with %j', (more) => {
    const surprise = () => {
      const cause = new TypeError(`Headers.append: "Bearer ${TOKEN}" is an invalid header value.`)
      throw Object.assign(new RangeError(`nobody expected ${TOKEN}`), { cause })
    }

    test.each([
      { where: 'on the way to a server', fetch: async () => surprise(), code: 20 },
      {
        where: 'in its answer',
        fetch: async () => Object.defineProperty({}, 'headers', { get: surprise }),
        code: 1,
      },
    ])('a surprise $where repeats no token', async ({ fetch, code }) => {
      const env = { ...ADMIN, ...more }
      const run = await runCli(['policy', 'list'], {
        env,
        fetch: fetch as unknown as typeof globalThis.fetch,
      })
      expect(run).toMatchObject({ code, stdout: '' })
      expect(run.stderr).not.toContain(TOKEN.slice(0, 20))
    })
  })
})

describe('an ending from outside', () => {
  function runWith(
    stdout: Writable,
    args: readonly string[],
    options: { stdin?: Readable; signal?: AbortSignal } = {},
  ) {
    const stderr: string[] = []
    const context = createContext({
      streams: {
        stdin: options.stdin ?? Readable.from([`${TOKEN}\n`]),
        stdout,
        stderr: new Writable({
          write(chunk, _, done) {
            stderr.push(String(chunk))
            done()
          },
        }),
      },
      environment: readEnvironment({ ...ADMIN }, 'linux', '/nowhere'),
      clock: { now: () => NOW, sleep: async () => {} },
      random: () => 0.5,
      fetch: stubServer({
        'GET /audit/events': {
          events: [{ seq: 1, event: { id: 'a', type: 'b', outcome: 'allow', occurred_at: '' } }],
          next: 1,
        },
      }).fetch,
      signal: options.signal ?? new AbortController().signal,
    })
    return main(args, context).then((code) => ({ code, stderr: stderr.join('') }))
  }

  const failing = (error: Error) => new Writable({ write: (_chunk, _encoding, done) => done(error) })

  test.each([{ args: ['token', 'decode', '-'] }, { args: ['audit', 'tail'] }, { args: ['help'] }])(
    'when the reader goes away is a quiet success: $args',
    async ({ args }) => {
      expect(await runWith(failing(PIPE), args)).toEqual({ code: 0, stderr: '' })
    },
  )

  test('when standard output cannot be written is a failure', async () => {
    const run = await runWith(failing(FULL), ['token', 'decode', '-'])
    expect(run).toEqual({
      code: 1,
      stderr: expect.stringMatching(/^authsec: standard output cannot be written: ENOSPC/),
    })
  })

  test('by Ctrl-C while it waits for input is 130 and nothing is said', async () => {
    const keyboard = new AbortController()
    const stdin = new Readable({ read() {} })
    const sink = new Writable({ write: (_chunk, _encoding, done) => done() })
    const run = runWith(sink, ['token', 'decode', '-'], { stdin, signal: keyboard.signal })
    setImmediate(() => keyboard.abort(new AuthsecError('interrupted', 'interrupted')))
    expect(await run).toEqual({ code: 130, stderr: '' })
    expect(stdin.destroyed).toBe(true)
  })
})
