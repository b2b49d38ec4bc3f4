import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EVENT_FORMATS } from '../../../../src/cli/audit-formats.js'
import type { AuditEntry } from '../../../../src/core/audit-record.js'
import { makeDirectory } from '../../../support/run-cli.js'
import {
  createBundleFiles,
  createLogKey,
  createLogRecord,
  ORIGIN,
  signHead,
} from '../../../support/sealed-bundle.js'
import { type ServedCli, serveCli } from '../../../support/served-cli.js'

let cli: ServedCli

beforeAll(async () => {
  cli = await serveCli()
  for (let count = 0; count < 3; count++) await cli.server.exchange()
  await cli.server.exchange({ scope: 'billing:refund' })
})
afterAll(() => cli.server.close())

const readLines = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

describe('authsec audit export', () => {
  test('prints what a search finds, as JSON Lines', async () => {
    const filter = ['--type', 'token.*', '--outcome', 'allow']
    const { code, stdout, stderr } = await cli.run(['audit', 'export', ...filter])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '3 events\n' })
    expect(readLines(stdout)).toEqual(await cli.read(['audit', 'search', ...filter]))
  })

  test('is recorded before it begins, with what was asked for and how far it goes', async () => {
    const args = ['audit', 'export', '--format', 'csv', '--outcome', 'deny', '--since', '1h']
    const { stdout } = await cli.run(args)
    const [{ seq, event }] = (await cli.read(['audit', 'search', '--type', 'audit.exported'])).slice(-1)
    const since = new Date(cli.server.now - 3_600_000).toISOString()
    expect(event).toMatchObject({
      outcome: 'allow',
      actor: { type: 'user' },
      details: { format: 'csv', last: seq - 1, filter: `outcome=deny since=${since}` },
    })
    expect(stdout).not.toContain(event.id)
  })

  test('leaves no address of a person in the log, which keeps everything for ever', async () => {
    await cli.run(['audit', 'export', '--filter', 'text~alice@authsec.test'])
    const [{ event }] = (await cli.read(['audit', 'search', '--type', 'audit.exported'])).slice(-1)
    expect(event.details.filter).toBe('text~…')
  })

  test.each(['jsonl', 'csv', 'ocsf', 'cef'])(
    'writes %s to a new file with as many events as it says',
    async (format) => {
      const out = join(await makeDirectory(), 'made', 'events')
      const { events, last } = await cli.read(['audit', 'export', '--format', format, '--out', out])
      const lines = (await readFile(out, 'utf8')).trimEnd().split('\n')
      expect(lines).toHaveLength(events + (format === 'csv' ? 1 : 0))
      expect(events).toBe(last + 1)
      expect((await stat(out)).mode & 0o777).toBe(0o600)
    },
  )

  test('says from where events came only where that is asked for, and records that it was', async () => {
    const filter = ['--type', 'token.exchanged', '--outcome', 'allow']
    const without = await cli.run(['audit', 'export', ...filter])
    expect(without.stdout).not.toMatch(/personal|127\.0\.0\.1/)
    const found = {
      jsonl: /"personal": ?\{"ip": ?"127\.0\.0\.1"/,
      csv: /,127\.0\.0\.1,/,
      ocsf: /"ip": ?"127\.0\.0\.1"/,
    }
    for (const [format, shown] of Object.entries({ ...found, cef: / src=127\.0\.0\.1/ })) {
      const args = ['audit', 'export', ...filter, '--format', format]
      expect(
        (await cli.run([...args, '--include-personal'])).stdout.match(new RegExp(shown, 'g')),
      ).toHaveLength(3)
      expect((await cli.run(args)).stdout).not.toMatch(shown)
    }
    const exported = await cli.read(['audit', 'search', '--type', 'audit.exported'])
    expect(exported.slice(-2)).toMatchObject([
      { event: { details: { format: 'cef', personal: true } } },
      { event: { details: expect.not.objectContaining({ personal: true }) } },
    ])
  })

  test.each(['jsonl', 'bundle'])(
    'is not recorded where a %s has no place, since it is none',
    async (format) => {
      const count = async () => (await cli.read(['audit', 'search', '--type', 'audit.exported'])).length
      const [before, out] = [await count(), await makeDirectory()]
      expect(await cli.run(['audit', 'export', '--format', format, '--out', out])).toMatchObject({ code: 7 })
      expect(await count()).toBe(before)
    },
  )

  test('writes nothing over what is there, and leaves nothing half-done behind', async () => {
    const directory = await makeDirectory()
    const out = join(directory, 'events')
    await writeFile(out, 'mine')
    expect(await cli.run(['audit', 'export', '--out', out])).toMatchObject({ code: 7 })
    expect(await readFile(out, 'utf8')).toBe('mine')
    const failing = cli.run(['audit', 'export', '--out', join(directory, 'other')], {
      fetch: async (input, init) =>
        String(input).includes('/audit/events') ? Promise.reject(new TypeError()) : fetch(input, init),
    })
    expect(await failing).toMatchObject({ code: 20 })
    expect(await readdir(directory)).toEqual(['events'])
  })

  test.each([
    {
      args: ['--format', 'bundle', '--out', 'x', '--outcome', 'deny'],
      stderr: /a bundle is always the whole log/,
    },
    {
      args: ['--format', 'bundle', '--out', 'x', '--since', '1h'],
      stderr: /a bundle is always the whole log/,
    },
    {
      args: ['--format', 'bundle', '--out', 'x', '--include-personal'],
      stderr: /a bundle is what was signed/,
    },
    { args: ['--format', 'bundle'], stderr: /--format bundle needs --out/ },
    { args: ['--json'], stderr: /--json needs --out/ },
    { args: ['--format', 'xml'], stderr: /xml/ },
    { args: ['--filter', 'colour=red'], stderr: /"colour=red" is not a filter/ },
  ])('is a usage error with $args', async ({ args, stderr }) => {
    expect(await cli.run(['audit', 'export', ...args])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(stderr),
    })
  })

  test('ends where the records of a server do, whatever its head says', async () => {
    const key = createLogKey()
    const head = { origin: ORIGIN, size: Number.MAX_SAFE_INTEGER, root: new Uint8Array(32) }
    const files = createBundleFiles([createLogRecord(0)], [key]).set(
      'checkpoint',
      Buffer.from(signHead(head, [key])),
    )
    const types = new Map([
      ['checkpoint', 'text/plain'],
      ['keys', 'application/json'],
    ])
    const directory = await makeDirectory()
    const args = ['audit', 'export', '--format', 'bundle', '--out', join(directory, 'bundle')]
    const { code, stderr } = await cli.run(args, {
      fetch: async (input, init) => {
        const [, file] = /\/audit\/log\/(.+)$/.exec(String(input)) ?? []
        if (file === undefined) return fetch(input, init)
        const content = files.get(file)
        const headers = { 'content-type': types.get(file) ?? 'application/octet-stream' }
        return content ? new Response(Buffer.from(content), { headers }) : Response.json({}, { status: 404 })
      },
    })
    expect({ code, stderr }).toMatchObject({
      code: 19,
      stderr: expect.stringContaining('the records end at 0, and the head says 9007199254740991'),
    })
    expect(await readdir(directory)).toEqual([])
  })

  test('needs a session', async () => {
    expect(await cli.run(['audit', 'export'], { env: { AUTHSEC_TOKEN: '' } })).toMatchObject({
      code: 4,
      stdout: '',
    })
  })
})

const HOSTILE = '=cmd|"/c calc"!A1\u001b[2J\u202e\r\nnext,\u2028line\\|x=1'

/** An event in which everything that can come from outside is as bad as it gets. */
function hostileEntry(text = HOSTILE): AuditEntry {
  const event = {
    ...{ v: 1, id: text, log: text, tenant: text, occurred_at: '2026-08-21T11:59:30.250Z', boot: text },
    ...{ type: text, outcome: 'deny', reason: text, actor: { type: 'client', id: text }, client: text },
    ...{ subject: { type: 'user', id: text }, act: { sub: text, client_id: text }, jti: text, aud: [text] },
    ...{ permissions: { asked: [text] }, details: { [text]: text }, source: text, txn: text, kid: text },
  }
  return { seq: 7, event: event as unknown as AuditEntry['event'] }
}

/** Reads one line of CSV by RFC 4180. */
function parseCsv(line: string): string[] {
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,"]*))/g)].map(([, quoted, plain]) =>
    quoted === undefined ? (plain ?? '') : quoted.replaceAll('""', '"'),
  )
}

describe('a hostile event', () => {
  test.each(Object.entries(EVENT_FORMATS))('is one printable line of %s', (_name, { format }) => {
    for (const text of [HOSTILE, '\ud800', '\u0000\u0007\u009b31m', 'a\tb\u200b\u{e0041}']) {
      expect(format(hostileEntry(text))).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)
    }
  })

  test('is the same event in JSON Lines', () => {
    expect(JSON.parse(EVENT_FORMATS.jsonl.format(hostileEntry()))).toEqual(hostileEntry())
  })

  test('fills no cell of a spreadsheet that is a formula, and no more cells than there are columns', () => {
    const columns = EVENT_FORMATS.csv.header.split(',')
    for (const start of ['=', '+', '-', '@', '\t=', ' =', '\r@', '\uff1d', '\u00a0+']) {
      const cells = parseCsv(EVENT_FORMATS.csv.format(hostileEntry(`${start}1","+2`)))
      expect(cells).toHaveLength(columns.length)
      for (const cell of cells) expect(cell).not.toMatch(/^\s*[=+\-@\uff1d\uff0b\uff0d\uff20]/)
    }
  })

  test('keeps to the fields of CEF', () => {
    const line = EVENT_FORMATS.cef.format(hostileEntry())
    const [version, vendor, product, , , , severity, ...rest] = line.split(/(?<!\\)\|/)
    expect([version, vendor, product, severity]).toEqual(['CEF:0', 'AuthSec', 'authsec', '6'])
    const keys = [...rest.join('|').matchAll(/(?:^| )(\w+)(?<!\\)=/g)].map(([, key]) => key)
    expect(keys).not.toContain('x')
    expect(new Set(keys).size).toBe(keys.length)
  })

  test('is an API Activity of OCSF', () => {
    const activity = JSON.parse(EVENT_FORMATS.ocsf.format(hostileEntry()))
    expect(activity).toMatchObject({
      ...{
        class_uid: 6003,
        category_uid: 6,
        activity_id: 99,
        type_uid: 600399,
        severity_id: 2,
        status_id: 2,
      },
      ...{ time: Date.parse('2026-08-21T11:59:30.250Z'), api: { operation: HOSTILE } },
      metadata: { version: '1.3.0', uid: HOSTILE, sequence: 7, product: { vendor_name: 'AuthSec' } },
    })
  })
})

test('a refused exchange reads as such in OCSF and CEF', async () => {
  const args = ['--type', 'token.exchanged', '--outcome', 'deny']
  const read = async (format: string) =>
    (await cli.run(['audit', 'export', '--format', format, ...args])).stdout
  expect(JSON.parse(await read('ocsf'))).toMatchObject({
    ...{
      activity_id: 1,
      type_uid: 600301,
      status_id: 2,
      status_code: 'deny',
      status_detail: 'invalid_scope',
    },
    ...{ message: 'exchanged a token for a call token', resources: [{ type: 'audience' }, { type: 'user' }] },
  })
  expect(await read('cef')).toMatch(
    /^CEF:0\|AuthSec\|authsec\|1\|token\.exchanged\|exchanged a token for a call token\|6\|rt=\d{13} externalId=/,
  )
})
