import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeDirectory } from '../support/run-cli.js'
import { BILLING, exchangeForm, sendBytes } from '../support/running-server.js'
import { type ServedCli, serveCli } from '../support/served-cli.js'

/** Clears the screen, names another link, fills the clipboard, colours, reverses, hides and ends the line. */
const EVIL = [
  '=1+1',
  '\u001b[2J\u001b[7;31m',
  '\u001b]8;;http://e.example\u0007a\u001b]8;;\u001b\\',
  '\u001b]52;c;ZQ==\u0007',
  '\u009b31m\u009d0;t\u009c\u0085',
  '\u202eer\u2066\u2069\u200f',
  'z\u200bw\u2060\ufeff\u{e0041}',
  'n\nl\rb\b\b\u007f\u2028\t"e"',
].join(' ')
// What a terminal is given of our own: colours, and ends of lines.
const OWN = new RegExp(`${String.fromCharCode(27)}\\[\\d{1,2}(?:;\\d{1,2})?m|\n`, 'g')
const RAW = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u

let cli: ServedCli
let clientId: string
let token: string
let jti: string
let eventId: string

beforeAll(async () => {
  cli = await serveCli()
  const { server } = cli
  const path = `/authsec/clientms/tenants/${server.tenantId}/clients/create`
  const agent = { name: EVIL, email: 'evil@authsec.test', client_type: 'ai_agent', agent_type: 'langchain' }
  const created = await server.call('POST', path, { admin: true, json: agent })
  expect(created.status, created.text).toBeLessThan(300)
  clientId = created.json.id
  const registered = await server.call('POST', '/oauth/register', { json: { client_name: EVIL } })
  expect(registered.status, registered.text).toBe(201)
  const issued = await server.exchange({ tool: EVIL })
  expect(issued.status, issued.text).toBe(200)
  ;({ access_token: token, authsec_audit: eventId } = issued.json)
  jti = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).jti
  // Whatever of it a header can carry, in which each byte is a character: some of them are controls again.
  const bytes = Buffer.from(
    EVIL.replaceAll(new RegExp(`[${String.fromCharCode(0)}-${String.fromCharCode(31)}\u007f]`, 'g'), ''),
  )
  const head = `GET /authsec/uflow/sdk/delegation-token?client_id=${server.clientId} HTTP/1.1\r\nHost: localhost`
  const end = '\r\nConnection: close\r\n\r\n'
  const request = Buffer.concat([Buffer.from(`${head}\r\nUser-Agent: `), bytes, Buffer.from(end)])
  expect(await sendBytes(server.port, request)).toMatch(/^HTTP\/1\.1 200 /)
  await server.call('POST', '/admin/resources', {
    admin: true,
    json: { uri: `https://evil.example/${EVIL}`, permissions: [EVIL] },
  })
  const form = { ...exchangeForm(server.clientId), subject_token: await server.pull() }
  await server.call('POST', '/oauth/token', { form: { ...form, resource: `https://${EVIL}`, scope: EVIL } })
})
afterAll(() => cli.server.close())

const COMMANDS = (): [what: string, args: string[], stdin?: string][] => [
  ['audit tail', ['audit', 'tail', '--no-follow', '-n', '1000']],
  ['audit search', ['audit', 'search', '--limit', '1000']],
  ['audit search by text', ['audit', 'search', `text~"${EVIL.slice(0, 4)}"`]],
  ['audit search --count-by', ['audit', 'search', '--count-by', 'aud']],
  ['audit show', ['audit', 'show', eventId]],
  ['audit trace', ['audit', 'trace', jti]],
  ['audit trace --tree', ['audit', 'trace', jti, '--tree']],
  ['audit trace of the client', ['audit', 'trace', clientId]],
  ['client list', ['client', 'list']],
  ['client show', ['client', 'show', clientId]],
  ['token decode', ['token', 'decode'], token],
  ['token verify', ['token', 'verify', '--audience', BILLING], token],
  ['token lint', ['token', 'lint'], token],
]

describe.each([
  { where: 'a terminal', tty: true },
  { where: 'a pipe', tty: false },
])('text from elsewhere on $where', ({ tty }) => {
  test('neither moves its cursor nor changes what it shows', async () => {
    let told = 0
    for (const [what, args, stdin = ''] of COMMANDS()) {
      const { stdout, stderr } = await cli.run(args, {
        stdin,
        tty: { stdin: false, stdout: tty, stderr: tty },
      })
      const shown = `${stdout}${stderr}`
      expect(shown, what).not.toContain('\u001b[7;31m')
      expect(shown.replace(OWN, '').replaceAll(tty ? '\n' : '\t', ''), what).not.toMatch(RAW)
      if (shown.includes('\\u001b')) told++
    }
    // It was there to be shown.
    expect(told).toBeGreaterThan(3)
  })

  test('is the same text in JSON, which escapes it', async () => {
    for (const [what, args, stdin = ''] of COMMANDS()) {
      if (what.endsWith('--tree')) continue
      const { stdout } = await cli.run([...args, '--json'], { stdin, tty: { stdin: false, stdout: tty } })
      expect(stdout.replaceAll('\n', ''), what).not.toMatch(RAW)
      // One value, or one in each line.
      const values = isJson(stdout) ? [stdout] : stdout.trimEnd().split('\n')
      expect(values.filter((value) => value !== '' && !isJson(value))).toEqual([])
    }
    const { stdout } = await cli.run(['client', 'show', clientId, '--json'])
    expect(JSON.parse(stdout).name).toBe(EVIL)
  })
})

test('a formula and an escape reach no file of an export', async () => {
  for (const format of ['csv', 'cef', 'ocsf', 'jsonl']) {
    const file = join(await makeDirectory(), 'log')
    const args = ['audit', 'export', '--include-personal', '--format', format, '--out', file]
    const { code, stderr } = await cli.run(args)
    expect(`${code} ${stderr}`).toMatch(/^0 /)
    const text = (await readFile(file, 'utf8')).replaceAll('\r\n', '\n')
    // The user agent in all of them; in some what else anybody may name as they like.
    expect(text, format).toMatch(/1\+1.*\\u0080/)
    if (format === 'csv' || format === 'jsonl') expect(text, format).toContain('\\u001b')
    expect(text.replaceAll('\n', ''), format).not.toMatch(RAW)
    if (format === 'csv') expect(text).not.toMatch(/(?:^|,)"?[=+\-@\t\r]/m)
  }
})

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
