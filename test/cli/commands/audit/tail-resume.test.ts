import { afterAll, beforeAll, expect, test } from 'vitest'
import { AuthsecError } from '../../../../src/core/errors.js'
import { type ServedCli, serveCli } from '../../../support/served-cli.js'

let cli: ServedCli

beforeAll(async () => {
  cli = await serveCli()
})
afterAll(() => cli.server.close())

const seqsOf = (stdout: string) =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => Number(line.split('\t')[0]))
const readHead = async () => (await cli.server.call('GET', '/audit/events?last=0', { admin: true })).json.next
const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, at) => first + at)

/** A network that loses the connection of the stream so many times, each after some bytes. */
function cutStream(times: number): { fetch: typeof fetch; cuts: () => number } {
  let cuts = 0
  // The same sizes in every run, from none of it to a few events.
  const nextSize = () => (cuts * 7919) % 2_503
  return {
    cuts: () => cuts,
    async fetch(input, init) {
      const response = await fetch(input, init)
      if (!String(input).includes('/stream') || cuts >= times || response.body === null) return response
      let left = nextSize()
      const cutting = new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          controller.enqueue(chunk.subarray(0, left))
          left -= chunk.length
          if (left > 0) return
          cuts++
          controller.error(
            new TypeError('terminated', { cause: Object.assign(new Error(), { code: 'ECONNRESET' }) }),
          )
        },
      })
      const { status, headers } = response
      return new Response(response.body.pipeThrough(cutting), { status, headers })
    },
  }
}

test('a tail that is cut 100 times misses nothing and repeats nothing', async () => {
  const first = (await readHead()) + 1
  const network = cutStream(100)
  const done = cli.run(
    ['audit', 'tail', '--cursor', String(first - 1), '--until-match', 'type=resource.created'],
    {
      fetch: network.fetch,
      clock: { sleep: async () => {} },
    },
  )
  while (network.cuts() < 100) await cli.server.exchange()
  await cli.read(['resource', 'create', 'https://last.example'])
  const { code, stdout, stderr } = await done
  expect(code).toBe(0)
  expect(seqsOf(stdout)).toEqual(range(first, await readHead()))
  expect(stderr).toContain('connection lost; reconnecting\n')
})

test('the command that Ctrl-C prints goes on where it ended, again and again', async () => {
  const first = (await readHead()) + 1
  let command = ['audit', 'tail', '--cursor', String(first - 1)]
  const seen: number[] = []
  for (let round = 0; round < 10; round++) {
    const keyboard = new AbortController()
    const stop = () => keyboard.abort(new AuthsecError('interrupted', 'interrupted'))
    await cli.server.exchange()
    const { code, stdout, stderr } = await cli.run(command, { signal: keyboard.signal, onOutput: stop })
    expect(code).toBe(130)
    seen.push(...seqsOf(stdout))
    command = (/\ngo on with: authsec (.+)\n$/.exec(stderr)?.[1] ?? '').split(' ')
  }
  const rest = await cli.run([...command, '--no-follow'])
  if (rest.stdout !== '') seen.push(...seqsOf(rest.stdout))
  expect(seen).toEqual(range(first, await readHead()))
})
