import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildCommand } from '../support/built-command.js'
import { BILLING, startTestServer, type TestServer } from '../support/running-server.js'

const SCRIPT = join(import.meta.dirname, 'ci-token.sh')
const HOUR = 3_600_000

let directory: string
let server: TestServer
let offset = 0
let expired = ''

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'authsec-ci-'))
  const command = await buildCommand(directory)
  await writeFile(join(directory, 'authsec'), `#!/bin/sh\nexec "${process.execPath}" "${command}" "$@"\n`, {
    mode: 0o755,
  })
  // It begins an hour ago, for a token of then: its clock is never set back.
  offset = -HOUR
  server = await startTestServer({ clock: () => Date.now() + offset })
  expired = await issue()
  offset = 0
}, 60_000)
afterAll(async () => {
  await server.close()
  await rm(directory, { recursive: true, force: true })
})

async function issue(): Promise<string> {
  return (await server.exchange({ ttl_seconds: '300' })).json.access_token
}

async function run(
  token: string | undefined,
): Promise<{ code: number | null; stderr: string; kept: string }> {
  const file = join(directory, 'token.jwt')
  await rm(file, { force: true })
  if (token !== undefined) await writeFile(file, token)
  const child = spawn('sh', [SCRIPT, file], {
    env: {
      PATH: `${directory}${delimiter}${process.env['PATH']}`,
      AUTHSEC_CONFIG_DIR: directory,
      AUTHSEC_SERVER: server.url,
      AUTHSEC_CLIENT_ID: server.clientId,
      AUTHSEC_TOKEN: server.adminToken,
    },
  })
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { code, stderr, kept: (await readFile(file, 'utf8').catch(() => '')).trim() }
}

test('a token that is good stays', async () => {
  const token = await issue()
  expect(await run(token)).toMatchObject({ code: 0, kept: token })
}, 60_000)

test('one that has expired is replaced, and so is one that is not there', async () => {
  for (const token of [expired, undefined]) {
    const { code, kept } = await run(token)
    expect(code).toBe(0)
    expect(kept).not.toBe(token)
    const { json } = await server.call('POST', '/oauth/introspect', { admin: true, form: { token: kept } })
    expect(json).toMatchObject({ active: true, aud: BILLING })
  }
}, 60_000)

test('one that was tampered with ends the pipeline with 13, expired or not, and stays as evidence', async () => {
  for (const token of [await issue(), expired]) {
    const [header = '', claims = '', signature = ''] = token.split('.')
    const forged = `${header}.${claims}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`
    expect(await run(forged)).toMatchObject({ code: 13, kept: forged })
  }
}, 60_000)
