import { execa, execaSync } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DevServer, openShell, type Shell } from './shell.js'

let shell: Shell
let server: DevServer

const isJqMissing = execaSync('jq', ['--version'], { reject: false }).exitCode !== 0 && !process.env['CI']
if (isJqMissing) console.warn('skipped, because jq is not installed: the shell script with jq')

beforeAll(async () => {
  shell = openShell()
  server = await shell.serve()
})

afterAll(() => shell.close())

describe('a shell script under set -euo pipefail', () => {
  test.skipIf(isJqMissing)('registers an agent, lets it act for a person and mints its token', async () => {
    const { stdout, stderr, exitCode } = await runBash(`
      client=$(authsec client register billing-bot --type ai_agent --agent-type langchain --json | jq -r .client_id)
      authsec policy create --role admin --agent-type langchain --permission billing:read \
        --resource https://billing.example --max-ttl 1h --client "$client" --json | jq -e .id >/dev/null
      authsec delegation grant billing-bot --audience https://billing.example --json | jq -e .expires_at >/dev/null
      authsec token mint --client billing-bot --audience https://billing.example --json |
        jq -r .token | authsec token verify - --audience https://billing.example --json | jq -c .`)
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 })
    expect(JSON.parse(stdout)).toBeTypeOf('object')
  })

  test('stops at the command that fails, with its code', async () => {
    const { stdout, exitCode } = await runBash(`
      token=$(authsec token mint --audience https://billing.example --permission billing:refund)
      echo "never printed"`)
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 5 })
  })

  test('keeps the token out of the arguments and the trace', async () => {
    const { stdout, stderr, exitCode } = await runBash(`
      set -x
      authsec token mint --audience https://billing.example 2>/dev/null |
        authsec token verify - --audience https://billing.example --json | head -c 1`)
    expect(exitCode).toBe(0)
    expect(stdout + stderr).not.toMatch(/eyJ[\w-]+\./)
  })
})

async function runBash(script: string) {
  return await execa('bash', ['-c', `set -euo pipefail\nauthsec() { "$NODE" "$COMMAND" "$@"; }\n${script}`], {
    cwd: shell.directory,
    env: { ...shell.env, ...server.env, NODE: process.execPath, COMMAND: shell.command },
    extendEnv: false,
    reject: false,
  })
}
