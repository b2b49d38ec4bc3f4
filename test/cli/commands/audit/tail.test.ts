import { describe, expect, test } from 'vitest'
import { AuthsecError } from '../../../../src/core/errors.js'
import { type RunOptions, runCli } from '../../../support/run-cli.js'
import { ADMIN, answer, noConnection, stubServer } from '../../../support/stub-server.js'

const EVENTS = 'GET /audit/events'

function entry(seq: number, type = 'token.exchanged') {
  return { seq, event: { id: `ev-${seq}`, type, outcome: 'allow', occurred_at: '2026-08-21T11:59:30Z' } }
}

function page(...seqs: number[]) {
  return { events: seqs.map((seq) => entry(seq)), next: seqs.at(-1) ?? 0 }
}

/** Runs tail and presses Ctrl-C when standard output holds the text. */
function tail(
  args: readonly string[],
  answers: readonly object[],
  {
    stopAt,
    reason = new AuthsecError('interrupted', 'interrupted'),
    ...options
  }: RunOptions & { stopAt?: string; reason?: Error } = {},
) {
  const server = stubServer({ [EVENTS]: answers })
  const keyboard = new AbortController()
  const pauses: number[] = []
  const done = runCli(['audit', 'tail', ...args], {
    env: ADMIN,
    fetch: async (input, init) => {
      init?.signal?.throwIfAborted()
      return server.fetch(input, init)
    },
    signal: keyboard.signal,
    clock: {
      sleep: async (ms) => {
        pauses.push(ms)
      },
    },
    onOutput: (stdout) => {
      if (stopAt !== undefined && stdout.includes(stopAt)) keyboard.abort(reason)
    },
    ...options,
  })
  return { server, pauses, done }
}

describe('authsec audit tail', () => {
  test('prints the last ten and follows; Ctrl-C ends it with a summary and the way to go on', async () => {
    const { server, done } = tail([], [page(7, 8), page(9), page(10)], { stopAt: '10\t' })
    const { code, stdout, stderr } = await done
    expect(code).toBe(130)
    expect(stdout.split('\n').map((line) => line.split('\t')[0])).toEqual(['7', '8', '9', '10', ''])
    expect(stderr).toBe('4 events: token.exchanged 4\ngo on with: authsec audit tail --cursor 10\n')
    expect(server.calls.map(({ query }) => query.toString())).toEqual([
      'last=10',
      'after=8&limit=1000&wait=25',
      'after=9&limit=1000&wait=25',
    ])
  })

  test('ends with 143 when it is terminated', async () => {
    const reason = new AuthsecError('terminated', 'terminated')
    expect(await tail([], [page(1)], { stopAt: '1\t', reason }).done).toMatchObject({ code: 143 })
  })

  test('prints JSON Lines, each with a type', async () => {
    const { done } = tail(['--json'], [page(7), { events: [], next: 7 }, noConnection(), page(8)], {
      stopAt: '"seq":8',
    })
    const { code, stdout, stderr } = await done
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines).toEqual([
      { type: 'event', ...entry(7) },
      { type: 'heartbeat', next: 7 },
      {
        type: 'reconnecting',
        code: 'network',
        message: 'cannot reach http://127.0.0.1:7468: connection refused',
      },
      { type: 'reconnected' },
      { type: 'event', ...entry(8) },
      {
        type: 'end',
        next: 8,
        events: { 'token.exchanged': 2 },
        resume: 'authsec audit tail --json --cursor 8',
      },
    ])
    expect({ code, stderr }).toEqual({ code: 130, stderr: '' })
  })

  test('repeats its flags in the command that goes on', async () => {
    const args = [
      '--type',
      'token.*',
      '--until-match',
      'jti=it\u0027s',
      '--server',
      'http://localhost:7468',
      '-n',
      '1',
    ]
    const { done } = tail(args, [page(5)], { stopAt: '5\t' })
    expect((await done).stderr).toContain(
      "go on with: authsec audit tail --filter 'type~token.*' --until-match 'jti=it'\\''s' --server http://localhost:7468 --cursor 5\n",
    )
  })

  describe('through an outage', () => {
    test('loses and repeats nothing, tells it once and waits longer each time', async () => {
      const { server, pauses, done } = tail(
        [],
        [page(1), noConnection(), answer(503, { error: 'full' }), noConnection(), page(2)],
        { stopAt: '2\t' },
      )
      const { stdout, stderr } = await done
      expect(stdout.split('\n').map((line) => line.split('\t')[0])).toEqual(['1', '2', ''])
      expect(stderr.split('\n').slice(0, 2)).toEqual([
        'cannot reach http://127.0.0.1:7468: connection refused; reconnecting',
        'connected again',
      ])
      expect(pauses).toEqual([375, 750, 1500])
      expect(server.calls.slice(1).map(({ query }) => query.get('after'))).toEqual(['1', '1', '1', '1'])
    })

    test('never waits longer than ten seconds on its own', async () => {
      const outage = Array.from({ length: 9 }, noConnection)
      const { pauses, done } = tail([], [page(1), ...outage, page(2)], { stopAt: '2\t', random: () => 0.999 })
      await done
      expect(Math.max(...pauses)).toBeLessThanOrEqual(10_000)
    })

    test('waits as long as the server asks', async () => {
      const busy = answer(429, { error: 'slow' }, { 'retry-after': '30' })
      const { pauses, done } = tail([], [page(1), busy, page(2)], { stopAt: '2\t' })
      await done
      expect(pauses).toEqual([30_000])
    })

    test('ends with 4 when the session ends, and still says how to go on', async () => {
      const { done } = tail([], [page(3), answer(401, { error: 'Invalid or expired token' })])
      expect(await done).toMatchObject({
        code: 4,
        stderr: expect.stringMatching(
          /^1 event: .*\ngo on with: .*--cursor 3\nauthsec: invalid or expired token\nhint: /,
        ),
      })
    })

    test('fails at once when the server was never there', async () => {
      const { pauses, done } = tail([], [noConnection()])
      expect(await done).toMatchObject({
        code: 20,
        stdout: '',
        stderr: expect.stringMatching(/^authsec: cannot reach/),
      })
      expect(pauses).toEqual([])
    })
  })

  describe('begins', () => {
    test.each([
      { args: ['-n', '3'], query: 'last=3' },
      { args: ['-n', '0'], query: 'last=1' },
      { args: ['--since', '15m'], query: 'limit=1000&since=2026-08-21T11%3A45%3A00.000Z' },
      { args: ['--since', '15m', '-n', '2'], query: 'last=2&limit=1000&since=2026-08-21T11%3A45%3A00.000Z' },
      { args: ['--cursor', '41'], query: 'after=41&limit=1000' },
    ])('with $args by asking for $query', async ({ args, query }) => {
      const { server, done } = tail([...args, '--no-follow'], [page()])
      expect(await done).toEqual({ code: 0, stdout: '', stderr: '' })
      expect(server.calls.map((call) => call.query.toString())).toEqual([query])
    })

    test('with -n 0 at the end, whatever stands there', async () => {
      const { done } = tail(['-n', '0'], [page(7), page(8)], { stopAt: '8\t' })
      expect((await done).stdout).toMatch(/^8\t.*\n$/)
    })
  })

  test('with --since keeps to it until there is an event to go on from', async () => {
    const none = { events: [], next: -1 }
    const { server, done } = tail(['--since', '15m'], [none, none, page(4), page(5)], { stopAt: '5\t' })
    await done
    expect(server.calls.map(({ query }) => query.has('since'))).toEqual([true, true, true, false])
  })

  test('with --no-follow ends after what there is, page by page', async () => {
    const full = { events: Array.from({ length: 1000 }, (_, index) => entry(index + 1)), next: 1000 }
    const { server, done } = tail(['--cursor', '0', '--no-follow'], [full, page(1001)])
    const { code, stdout, stderr } = await done
    expect({ code, stderr, lines: stdout.trim().split('\n').length }).toEqual({
      code: 0,
      stderr: '',
      lines: 1001,
    })
    expect(server.calls[1]?.query.get('after')).toBe('1000')
  })

  describe('with --until-match', () => {
    const match = ['--until-match', 'type=delegation.revoked']

    test('ends with 0 at the first event that matches, and goes on behind it', async () => {
      const found = { events: [entry(2), entry(3, 'delegation.revoked'), entry(4)], next: 4 }
      const { done } = tail(match, [page(1), found])
      expect(await done).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/^2\t.*\n3\t.*\n$/),
        stderr: expect.stringContaining('--cursor 3\n'),
      })
    })

    test('does not take an event for it that was there before', async () => {
      const before = { events: [entry(1, 'delegation.revoked')], next: 1 }
      const { server, done } = tail(match, [before, { events: [entry(2, 'delegation.revoked')], next: 2 }])
      expect(await done).toMatchObject({ code: 0, stdout: expect.stringMatching(/^2\t/) })
      expect(server.calls).toHaveLength(2)
    })

    test.each([
      { args: [...match, '--for', '30s'], code: 8, stderr: /authsec: it did not happen within 30s\n$/ },
      { args: ['--for', '30s'], code: 0, stderr: /go on with: authsec audit tail --cursor 1\n$/ },
    ])('and with $args ends with $code when the time is over', async ({ args, code, stderr }) => {
      const server = stubServer({ [EVENTS]: page(1) })
      let ring = () => {}
      const run = await runCli(['audit', 'tail', ...args], {
        env: ADMIN,
        clock: { sleep: () => new Promise((resolve) => (ring = resolve)) },
        // The answer is held back; meanwhile the time runs out.
        fetch: async (input, init) => {
          if (!String(input).includes('wait=')) return server.fetch(input, init)
          ring()
          return new Promise((_, reject) =>
            init?.signal?.addEventListener('abort', () => reject(init.signal?.reason)),
          )
        },
      })
      expect(run).toMatchObject({ code, stderr: expect.stringMatching(stderr) })
    })
  })

  test.each([
    { args: ['--cursor', '-1'], stderr: /-1/ },
    { args: ['-n', '1001'], stderr: /"1001" is not a number from 0 to 1000/ },
    { args: ['--for', 'ever'], stderr: /"ever" is not a duration/ },
    { args: ['--until-match', 'type'], stderr: /"type" is not a filter/ },
  ])('is a usage error with $args', async ({ args, stderr }) => {
    const { server, done } = tail(args, [page()])
    expect(await done).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(stderr) })
    expect(server.calls).toEqual([])
  })
})
