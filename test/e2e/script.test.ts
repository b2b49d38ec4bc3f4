import { execa, execaSync } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { type IdentityIssuer, startIdentityIssuer } from '../support/identity-issuer.js'
import { type DevServer, openShell, type Shell } from './shell.js'

let shell: Shell
let server: DevServer
let issuer: IdentityIssuer

const isJqMissing = execaSync('jq', ['--version'], { reject: false }).exitCode !== 0 && !process.env['CI']
if (isJqMissing) console.warn('skipped, because jq is not installed: the shell script with jq')

beforeAll(async () => {
  shell = openShell()
  server = await shell.serve()
  issuer = await startIdentityIssuer(Date.now, server.url)
})

afterAll(async () => {
  await issuer.close()
  await shell.close()
})

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

describe('the YAML of authsec ci setup', () => {
  const setup = ['--repository', 'acme/shop', '--audience', 'https://billing.example']

  test.each([
    {
      system: 'github',
      readJob: ({ jobs: { agent } }: Yaml) => ({
        steps: agent.steps.map(({ run }: Yaml) => run),
        env: { ...agent.env, ...issuer.jobVariables, RUNNER_TEMP: shell.directory },
      }),
    },
    {
      system: 'gitlab',
      readJob: ({ agent }: Yaml) => ({
        steps: agent.script,
        env: {
          ...agent.variables,
          AUTHSEC_ID_TOKEN: issuer.sign({
            ...agent.id_tokens.AUTHSEC_ID_TOKEN,
            sub: 'project_path:acme/shop:ref_type:branch:ref:main',
          }),
          CI_BUILDS_DIR: shell.directory,
        },
      }),
    },
  ])(
    'is a job of $system that gets its token without a secret, once its rule is made',
    async ({ system, readJob }) => {
      const { stdout: printed } = await shell.run(['ci', 'setup', system, ...setup], { env: server.env })
      const rule = /^# +(authsec trust create .*)$/m.exec(printed)?.[1] ?? ''
      const ours = rule.replace('acme-shop', system).replace(/--issuer \S+/, `--issuer ${issuer.url}`)
      expect(await runBash(ours)).toMatchObject({ exitCode: 0 })
      const { steps, env } = readJob(parse(printed))
      const install = `npm() { [ "$*" = 'install --global authsec' ]; }`
      const job = await runBash([install, ...steps].join('\n'), env)
      expect(job).toMatchObject({
        exitCode: 0,
        stdout: expect.stringMatching(/signature +made by a trusted key/),
      })
    },
  )
})

// biome-ignore lint/suspicious/noExplicitAny: whatever the parser makes of it; the tests look closer.
type Yaml = any

async function runBash(script: string, env: Readonly<Record<string, string>> = server.env) {
  return await execa('bash', ['-c', `set -euo pipefail\nauthsec() { "$NODE" "$COMMAND" "$@"; }\n${script}`], {
    cwd: shell.directory,
    env: { ...shell.env, ...env, NODE: process.execPath, COMMAND: shell.command },
    extendEnv: false,
    reject: false,
  })
}
