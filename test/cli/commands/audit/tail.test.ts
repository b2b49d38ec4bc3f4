import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { AuthsecError } from '../../../../src/core/errors.js'
import { makeDirectory, type RunOptions, runCli } from '../../../support/run-cli.js'
import { ADMIN, answer, noConnection, stubServer } from '../../../support/stub-server.js'

const EVENTS = 'GET /audit/events'
const LOG = 'authsec/0123'
const ID = '019a0000-0000-7000-8000-000000000008'

function entry(seq: number, type = 'token.exchanged') {
  const id = `ev-${seq}`
  return { seq, event: { id, log: LOG, type, outcome: 'allow', occurred_at: '2026-08-21T11:59:30Z' } }
}

const frame = (event: string, data: object) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
const events = (...seqs: number[]) => seqs.map((seq) => frame('event', entry(seq))).join('')
const heartbeat = (next: number, log = LOG) => frame('heartbeat', { next, log })

/** A connection on which this comes, and then nothing more, or its end. */
interface Connection {
  text: string
  stays: boolean
}

const cut = (...texts: string[]): Connection => ({ text: texts.join(''), stays: false })
const open = (...texts: string[]): Connection => ({ text: texts.join(''), stays: true })

/**
 * Runs tail against a log that ends at `head`, with one connection, refusal or failure after the other, and presses
 * Ctrl-C when standard output holds the text.
 */
function tail(
  args: readonly string[],
  connections: readonly (Connection | Response | Error)[],
  {
    stopAt,
    reason = new AuthsecError('interrupted', 'interrupted'),
    head = [7, 8],
    ...options
  }: RunOptions & { stopAt?: string; reason?: Error; head?: number[] } = {},
) {
  const last = { events: head.map((seq) => entry(seq)), next: head.at(-1) ?? -1 }
  const server = stubServer({ [EVENTS]: last })
  const keyboard = new AbortController()
  const pauses: number[] = []
  const streams: string[] = []
  const left = [...connections]
  const done = runCli(['audit', 'tail', ...args], {
    env: ADMIN,
    fetch: async (input, init) => {
      init?.signal?.throwIfAborted()
      const { pathname, search } = new URL(String(input))
      if (!pathname.endsWith('/stream')) return server.fetch(input, init)
      streams.push(decodeURIComponent(search))
      const next = left.shift() ?? open()
      if (next instanceof Error) throw next
      return next instanceof Response ? next : connect(next, init?.signal ?? undefined)
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
  const queries = () =>
    server.calls.flatMap(({ path, query }) => (path === '/audit/events' ? [`${query}`] : []))
  return { queries, streams, pauses, done }
}

function connect({ text, stays }: Connection, signal: AbortSignal | undefined): Response {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(text))
      if (!stays) controller.close()
      else signal?.addEventListener('abort', () => controller.error(signal.reason))
    },
  })
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
}

const seqsOf = (stdout: string) =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => Number(line.split('\t')[0]))

describe('authsec audit tail', () => {
  test('prints the last ten and follows; Ctrl-C ends it with a summary and the way to go on', async () => {
    const { queries, streams, done } = tail([], [open(heartbeat(8), events(9, 10))], { stopAt: '\n10\t' })
    const { code, stdout, stderr } = await done
    expect(code).toBe(130)
    expect(seqsOf(stdout)).toEqual([7, 8, 9, 10])
    expect(stderr).toBe(
      '4 events: token.exchanged 4\ngo on with: authsec audit tail --cursor 10@authsec/0123\n',
    )
    expect(queries()).toEqual(['last=0', 'before=9&last=10'])
    expect(streams).toEqual(['?after=8'])
  })

  test('ends with 143 when it is terminated', async () => {
    const reason = new AuthsecError('terminated', 'terminated')
    expect(await tail([], [], { stopAt: '8\t', reason }).done).toMatchObject({ code: 143 })
  })

  test('prints JSON Lines, each with a kind', async () => {
    const gap = { reason: 'other_log', asked: 9, next: -1, log: 'authsec/4567' }
    const streams = [
      cut(heartbeat(8), events(9)),
      noConnection(),
      open(frame('gap', gap), heartbeat(-1, gap.log), events(0)),
    ]
    const { done } = tail(['--json', '-n', '1'], streams, { stopAt: '"seq":0', head: [8] })
    const { code, stdout, stderr } = await done
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { kind: 'event', ...entry(8) },
      { kind: 'heartbeat', next: 8, log: LOG },
      { kind: 'event', ...entry(9) },
      { kind: 'reconnecting', code: 'network', message: 'the server has ended the stream' },
      { kind: 'gap', ...gap },
      { kind: 'heartbeat', next: -1, log: gap.log },
      { kind: 'event', ...entry(0) },
      {
        kind: 'end',
        next: 0,
        log: gap.log,
        events: { 'token.exchanged': 3 },
        resume: 'authsec audit tail --json --cursor 0@authsec/4567',
      },
    ])
    expect({ code, stderr }).toEqual({ code: 130, stderr: '' })
  })

  test('repeats its flags in the command that goes on', async () => {
    const args = [
      ...['--type', 'token.*', '--until-match', 'jti=it\u0027s', '--server', 'http://localhost:7468'],
      ...['--json', '-n', '1'],
    ]
    const { done } = tail(args, [open(heartbeat(8))], { stopAt: 'heartbeat' })
    expect(JSON.parse((await done).stdout.trimEnd().split('\n').at(-1) ?? '').resume).toBe(
      "authsec audit tail --filter 'type~token.*' --until-match 'jti=it'\\''s' --server http://localhost:7468 --json --cursor 8@authsec/0123",
    )
  })

  describe('through an outage', () => {
    test('loses and repeats nothing, tells it once and waits longer each time', async () => {
      const streams = [
        cut(heartbeat(8), events(9)),
        noConnection(),
        answer(503, { error: 'full' }),
        open(heartbeat(9), events(9, 10)),
      ]
      const { done, pauses, ...asked } = tail(['-n', '0'], streams, { stopAt: '10\t' })
      const { stdout, stderr } = await done
      expect(seqsOf(stdout)).toEqual([9, 10])
      expect(stderr.split('\n').slice(0, 2)).toEqual([
        'the server has ended the stream; reconnecting',
        'connected again',
      ])
      expect(pauses).toEqual([375, 750, 1500])
      expect(asked.streams).toEqual(['?after=8', ...Array(3).fill('?after=9&log=authsec/0123')])
    })

    test('takes half a message for none', async () => {
      const half = events(9).slice(0, -1)
      const { streams, done } = tail(['-n', '0'], [cut(heartbeat(8), half), open(heartbeat(8), events(9))], {
        stopAt: '9\t',
      })
      expect(seqsOf((await done).stdout)).toEqual([9])
      expect(streams[1]).toBe('?after=8&log=authsec/0123')
    })

    test.each([
      { what: 'is another one', id: 'other', code: 18 },
      { what: 'is the same', id: 'ev-8', code: 130 },
      { what: 'is gone', id: 'other', head: [9], code: 130 },
      { what: 'is of another log', id: 'other', log: 'authsec/4567', code: 130 },
    ])(
      'looks whether the record that it goes on behind $what',
      async ({ id, code, head = [7, 8], log = LOG }) => {
        const place = frame('heartbeat', { next: 8, log, id })
        const args = ['--cursor', `7@${log}`]
        const { done } = tail(args, [cut(place), open(events(9))], { stopAt: '9\t', head })
        expect(await done).toMatchObject({
          code,
          stderr: expect.stringMatching(
            code === 18
              ? /authsec: record 8 of the audit log is not the one that was read there\n/
              : /connected again\n/,
          ),
        })
      },
    )

    test('never waits longer than ten seconds on its own', async () => {
      const { pauses, done } = tail([], [...Array.from({ length: 9 }, noConnection), open(events(9))], {
        stopAt: '\n9\t',
        random: () => 0.999,
      })
      await done
      expect(pauses).toHaveLength(9)
      expect(Math.max(...pauses)).toBeLessThanOrEqual(10_000)
    })

    test('waits as long as the server asks', async () => {
      const busy = answer(429, { error: 'slow' }, { 'retry-after': '30' })
      const { pauses, done } = tail([], [busy, open(events(9))], { stopAt: '\n9\t' })
      await done
      expect(pauses).toEqual([30_000])
    })

    test('ends with 4 when the session ends, and still says how to go on', async () => {
      const { done } = tail([], [answer(401, { error: 'Invalid or expired token' })])
      expect(await done).toMatchObject({
        code: 4,
        stderr: expect.stringMatching(
          /^2 events: .*\ngo on with: .*--cursor 8\nauthsec: invalid or expired token\nhint: /,
        ),
      })
    })

    test('fails at once when the server was never there', async () => {
      const pauses: number[] = []
      const run = await runCli(['audit', 'tail'], {
        env: ADMIN,
        fetch: async () => Promise.reject(noConnection()),
        clock: { sleep: async (ms) => void pauses.push(ms) },
      })
      expect(run).toMatchObject({
        code: 20,
        stdout: '',
        stderr: expect.stringMatching(/^authsec: cannot reach/),
      })
      expect(pauses).toEqual([])
    })
  })

  test('ends with 21 at a record that the server cannot read, says which it is, and does not ask again', async () => {
    const failure = {
      error: 'record 10 of the audit log is damaged',
      details: 'See with authsec audit verify.',
    }
    const { streams, done } = tail(['-n', '0'], [open(heartbeat(8), events(9), frame('failure', failure))])
    expect(await done).toMatchObject({
      code: 21,
      stdout: expect.stringMatching(/^9\t.*\n$/),
      stderr: expect.stringMatching(
        /--cursor 9@authsec\/0123\nauthsec: record 10 of the audit log is damaged\nhint: See with authsec audit verify\.\n$/,
      ),
    })
    expect(streams).toHaveLength(1)
  })

  test('warns where the server cannot go on behind what was seen', async () => {
    const gap = { reason: 'ahead', asked: 41, next: 8, log: LOG }
    const { done } = tail(['--cursor', `41@${LOG}`], [open(frame('gap', gap), heartbeat(8), events(9))], {
      stopAt: '9\t',
    })
    expect((await done).stderr).toMatch(
      /^warning: gap: the log ends at 8, and was read up to 41: an older copy/,
    )
    const stopped = tail(['--cursor', `41@${LOG}`, '--no-follow'], [])
    expect(await stopped.done).toMatchObject({ code: 0, stderr: expect.stringMatching(/^warning: gap: /) })
  })

  describe('begins', () => {
    const SINCE = 'since=2026-08-21T11:45:00.000Z'

    test.each([
      { args: ['-n', '3'], query: 'before=9&last=3' },
      { args: ['-n', '0'], query: undefined },
      { args: ['--since', '15m'], query: `after=-1&before=9&limit=1000&filter=${SINCE}` },
      { args: ['--since', '15m', '-n', '2'], query: `before=9&last=2&filter=${SINCE}` },
    ])('with $args by asking for $query', async ({ args, query }) => {
      const { queries, streams, done } = tail([...args, '--no-follow'], [])
      expect(await done).toMatchObject({ code: 0, stderr: '' })
      expect(queries().map(decodeURIComponent)).toEqual(['last=0', ...(query === undefined ? [] : [query])])
      expect(streams).toEqual([])
    })

    test('behind a place up to what there is', async () => {
      const { queries, done } = tail(['--cursor', '6', '--no-follow'], [])
      expect(await done).toMatchObject({ code: 0, stderr: '' })
      expect(queries()).toEqual(['last=0', 'after=6&limit=1', 'after=6&before=9&limit=1000'])
    })

    test('where what came behind a place has been pruned, with what is left, and says so', async () => {
      const { done } = tail(['--cursor', `4@${LOG}`, '--no-follow', '--json'], [])
      const { code, stdout } = await done
      expect(code).toBe(0)
      expect(JSON.parse(stdout.split('\n')[0] ?? '')).toEqual({
        kind: 'gap',
        reason: 'pruned',
        asked: 4,
        next: 6,
      })
    })

    test('with -n 0 behind what is there already', async () => {
      const { streams, done } = tail(['-n', '0'], [open(events(9))], { stopAt: '9\t' })
      expect((await done).stdout).toMatch(/^9\t.*\n$/)
      expect(streams).toEqual(['?after=8'])
    })

    test('with --cursor behind that place, in its log', async () => {
      const { queries, streams, done } = tail(['--cursor', `4@${LOG}`], [open(events(5))], { stopAt: '5\t' })
      await done
      expect(queries()).toEqual([])
      expect(streams).toEqual([`?after=4&log=${LOG}`])
    })
  })

  describe('with --until-match', () => {
    const match = ['--until-match', 'type=delegation.revoked']
    const revoked = (seq: number) => frame('event', entry(seq, 'delegation.revoked'))

    test('ends with 8 where nothing that there is matches', async () => {
      expect(await tail([...match, '--no-follow', '-n', '2'], []).done).toMatchObject({
        code: 8,
        stdout: expect.stringMatching(/^7\t.*\n8\t.*\n$/),
        stderr: 'authsec: nothing that there is fits\n',
      })
    })

    test('ends with 0 at the first event that matches, and goes on behind it', async () => {
      const { done } = tail(match, [open(heartbeat(8), events(9), revoked(10), events(11))])
      expect(await done).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/^9\t.*\n10\t.*\n$/),
        stderr: expect.stringContaining('--cursor 10@authsec/0123\n'),
      })
    })

    test.each([
      { args: [...match, '--for', '30s'], code: 8, stderr: /authsec: it did not happen within 30s\n$/ },
      {
        args: ['-n', '0', '--for', '30s'],
        code: 0,
        stderr: /go on with: authsec audit tail --cursor 8@authsec\/0123\n$/,
      },
    ])('and with $args ends with $code when the time is over', async ({ args, code, stderr }) => {
      let ring = () => {}
      const { done } = tail(args, [open(heartbeat(8))], {
        clock: { sleep: () => new Promise((resolve) => (ring = resolve)) },
        onComplaint: () => {},
        fetch: stubStream(() => ring()),
      })
      expect(await done).toMatchObject({ code, stderr: expect.stringMatching(stderr) })
    })

    /** A server with nothing new, on which the time runs out once it is followed. */
    function stubStream(onFollow: () => void): typeof fetch {
      const server = stubServer({ [EVENTS]: { events: [], next: 8 } })
      return async (input, init) => {
        if (!String(input).includes('/stream')) return server.fetch(input, init)
        setImmediate(onFollow)
        return connect(open(heartbeat(8)), init?.signal ?? undefined)
      }
    }
  })

  describe('with files', () => {
    test('keeps the id of the event at the place where it is known, and looks for it in the next run', async () => {
      const directory = await makeDirectory()
      const [cursorFile, outputFile] = [join(directory, 'cursor'), join(directory, 'events')]
      const place = frame('heartbeat', { next: 8, log: LOG, id: ID })
      const keep = ['--cursor-file', cursorFile]
      const first = tail([...keep, '--json'], [open(place)], { stopAt: 'heartbeat' })
      expect((await first.done).code).toBe(130)
      expect(await readFile(cursorFile, 'utf8')).toBe(`8:${ID}@${LOG}\n`)
      const second = tail(keep, [])
      expect(await second.done).toMatchObject({ code: 18, stdout: '' })
      expect(second.queries()).toEqual(['after=7&limit=1'])
      expect(second.streams).toEqual([])
      // What the other file has beyond it was never at that place.
      await writeFile(outputFile, '9\t2026-08-21T11:59:30Z\n')
      const args = [...keep, '--output-file', outputFile, '--until-match', 'type=token.exchanged']
      const third = tail(args, [open(events(10))])
      expect(await third.done).toMatchObject({ code: 0 })
      expect(third.queries()).toEqual([])
      expect(third.streams).toEqual([`?after=9&log=${LOG}`])
    })

    test('keeps the place in one, and goes on from there', async () => {
      const cursorFile = join(await makeDirectory(), 'cursor')
      const first = tail(['--cursor-file', cursorFile], [open(heartbeat(8), events(9))], { stopAt: '\n9\t' })
      expect((await first.done).stderr).toContain(
        `go on with: authsec audit tail --cursor-file ${cursorFile}\n`,
      )
      expect(await readFile(cursorFile, 'utf8')).toBe(`9@${LOG}\n`)
      expect((await stat(cursorFile)).mode & 0o777).toBe(0o600)
      const second = tail(['--cursor-file', cursorFile], [open(events(10))], { stopAt: '10\t' })
      expect(seqsOf((await second.done).stdout)).toEqual([10])
      expect(second.streams).toEqual([`?after=9&log=${LOG}`])
    })

    test.each([{ json: [] }, { json: ['--json'] }])(
      'appends to the other what comes, each once, even after a crash, with $json',
      async ({ json }) => {
        const directory = await makeDirectory()
        const [cursorFile, outputFile] = [join(directory, 'cursor'), join(directory, 'events')]
        const args = [...json, '--cursor-file', cursorFile, '--output-file', outputFile]
        const run = (connections: Connection[]) =>
          tail([...args, '--until-match', 'type=delegation.revoked', '-n', '1'], connections, { head: [8] })
            .done
        const last = frame('event', entry(10, 'delegation.revoked'))
        expect(await run([open(events(9), last)])).toMatchObject({ code: 0 })
        const whole = await readFile(outputFile, 'utf8')
        // It died before it could keep the place, in the middle of a line.
        await writeFile(cursorFile, `8@${LOG}\n`)
        await writeFile(outputFile, whole.slice(0, -9))
        expect(await run([open(events(9), last)])).toMatchObject({ code: 0 })
        expect(await readFile(outputFile, 'utf8')).toBe(whole)
        expect(whole.trimEnd().split('\n')).toHaveLength(3)
      },
    )

    test.each([{ json: [] }, { json: ['--json'] }])(
      'misses nothing of a log that has begun anew, whatever of it was wanted, with $json',
      async ({ json }) => {
        const directory = await makeDirectory()
        const [cursorFile, outputFile] = [join(directory, 'cursor'), join(directory, 'events')]
        const args = [...json, '--cursor-file', cursorFile, '--output-file', outputFile]
        const run = (...connections: (Connection | Response)[]) =>
          tail([...args, '--until-match', 'type=delegation.revoked', '-n', '2'], connections)
        const found = (seq: number) => frame('event', entry(seq, 'delegation.revoked'))
        await run(open(heartbeat(8), found(9))).done
        const gap = frame('gap', { reason: 'other_log', asked: 9, next: -1, log: 'authsec/4567' })
        const isOver = answer(401, { error: 'invalid_token' })
        await run(cut(gap, heartbeat(3, 'authsec/4567')), isOver).done
        const { streams, done } = run(open(found(4)))
        await done
        expect(streams).toEqual(['?after=3&log=authsec/4567'])
        const lines = (await readFile(outputFile, 'utf8')).trimEnd().split('\n')
        expect(lines.map((line) => /gap|\d+/.exec(line)?.[0])).toEqual(['7', '8', '9', 'gap', '4'])
      },
    )

    test('refuses a file that holds no place', async () => {
      const cursorFile = join(await makeDirectory(), 'cursor')
      await writeFile(cursorFile, 'anything')
      expect(await tail(['--cursor-file', cursorFile], []).done).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/holds no cursor\nhint: Name another file/),
      })
      expect(await readFile(cursorFile, 'utf8')).toBe('anything')
      await writeFile(cursorFile, '4'.repeat(4 * 1024 + 1))
      expect(await tail(['--cursor-file', cursorFile], []).done).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/cursor" is larger than 4 KiB\nhint: /),
      })
    })
  })

  test.each(['l\u001b[31m', 'two words', '\u202e'])(
    'takes nothing for a log whose name %j could not stand in a command',
    async (log) => {
      const { done } = tail(['-n', '0'], [open(heartbeat(8, log))])
      const { code, stderr } = await done
      expect([code, stderr]).toEqual([
        21,
        expect.stringContaining('in the stream is not the name of a log\n'),
      ])
      expect(stderr.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u)
    },
  )

  test.each([
    {
      args: ['--cursor', '-2'],
      stderr: /"-2" is not a cursor\nhint: .+ such as 41:0198…@authsec\/7f3c…\.\n$/,
    },
    { args: ['--cursor', '4@a b'], stderr: /"4@a b" is not a cursor/ },
    { args: ['--cursor', `4:ev-4@${LOG}`], stderr: /"4:ev-4@authsec\/0123" is not a cursor/ },
    { args: ['--cursor', `4:${ID}`], stderr: /" is not a cursor/ },
    { args: ['-n', '1001'], stderr: /"1001" is not a number from 0 to 1000/ },
    { args: ['--for', 'ever'], stderr: /"ever" is not a duration/ },
    { args: ['--until-match', 'type'], stderr: /"type" is not a filter/ },
  ])('is a usage error with $args', async ({ args, stderr }) => {
    const { queries, done } = tail(args, [])
    expect(await done).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(stderr) })
    expect(queries()).toEqual([])
  })
})
