import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeDirectory } from '../../../support/run-cli.js'
import { type ServedCli, serveCli } from '../../../support/served-cli.js'

let cli: ServedCli
let id: string

beforeAll(async () => {
  cli = await serveCli()
  id = (await cli.server.exchange()).json.authsec_audit
})
afterAll(() => cli.server.close())

/** The server with some answers replaced. */
function tamper(change: (path: string, text: string) => string): typeof fetch {
  return async (input, init) => {
    const response = await fetch(input, init)
    const text = await response.text()
    const { status, headers } = response
    return new Response(change(new URL(String(input)).pathname, text), { status, headers })
  }
}

describe('authsec audit show', () => {
  test('prints every field of the event, and what its proof is worth', async () => {
    const { code, stdout, stderr } = await cli.run(['audit', 'show', id])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain('\ntype\ttoken.exchanged  exchanged a token for a call token\n')
    expect(stdout).toContain(`\nid\t${id}\n`)
    expect(stdout).toMatch(
      /\nproof\trecord (\d+) of \d+ in authsec\/[0-9a-f]{32}: holds, signed by the key that the log names itself\n$/,
    )
  })

  test('gives the same as data, and takes no key for known that only the log has told', async () => {
    const env = { AUTHSEC_CONFIG_DIR: await makeDirectory() }
    const show = async () => JSON.parse((await cli.run(['audit', 'show', id, '--json'], { env })).stdout)
    const { seq, event, proof } = await show()
    expect(event).toMatchObject({ id, type: 'token.exchanged', outcome: 'allow' })
    expect(proof).toMatchObject({ origin: event.log, index: seq, holds: true, signed: true, pinned: false })
    expect((await show()).proof).toMatchObject({ holds: true, signed: true, pinned: false })
  })

  test('says when the server shows another event than it proves', async () => {
    const run = await cli.run(['audit', 'show', id], {
      fetch: tamper((path, text) => (path.endsWith(id) ? text.replace('"allow"', '"deny"') : text)),
    })
    expect(run).toMatchObject({
      code: 18,
      stderr: 'authsec: the event that the server shows is not the one that it proves\n',
    })
  })

  test('says when the proof does not hold', async () => {
    const run = await cli.run(['audit', 'show', id], {
      fetch: tamper((path, text) =>
        path.endsWith('/proof') ? text.replace(/\nindex \d+/, '\nindex 0') : text,
      ),
    })
    expect(run).toMatchObject({ code: 18, stdout: expect.stringMatching(/: does NOT hold\n$/) })
  })

  test('lets no field reach the terminal', async () => {
    const run = await cli.run(['audit', 'show', id], {
      fetch: tamper((path, text) =>
        path.endsWith(id)
          ? text.replace(/"boot":"[^"]*"/, '"boot":"\\u001b[2J","\\u202e\\nx":"\\u009b31m"')
          : text,
      ),
    })
    expect(run.code).toBe(18)
    for (const raw of ['\u001b', '\u009b', '\u202e']) expect(run.stdout + run.stderr).not.toContain(raw)
    expect(run.stdout.split('\n').filter((line) => line.startsWith('x'))).toEqual([])
  })

  test('knows no event that the log does not, and says what lists those that there are', async () => {
    const { code, stdout, stderr } = await cli.run(['audit', 'show', 'nothing'])
    expect({ code, stdout }).toEqual({ code: 6, stdout: '' })
    const [, command = ''] =
      /no event has the id "nothing"\nhint: See authsec (.+) for the ids\. Tokens name theirs as authsec_audit; authsec audit trace takes their jti\.\n$/.exec(
        stderr,
      ) ?? []
    const listed = await cli.run(command.split(' '))
    expect(listed).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`"event.id":"${id}"`),
      stderr: '',
    })
  })
})
