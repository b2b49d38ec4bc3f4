import { expect, test } from 'vitest'
import { runCli } from '../support/run-cli.js'

const API = ['--audience', 'https://billing.example']
const RULE = ['x', '--client', 'x', '--issuer', 'https://ci.example', '--subject', 'x']

/** As in a script whose variable nobody has set. */
test.each([
  { args: ['token', 'mint', '--audience', ''], flag: '--audience' },
  { args: ['token', 'mint', ...API, '--tool', ''], flag: '--tool' },
  { args: ['exec', '--audience=', '--', 'true'], flag: '--audience' },
  { args: ['token', 'exchange', '--subject', '-', '--audience', ' '], flag: '--audience' },
  { args: ['token', 'exchange', '--subject', '-', ...API, '--tool', ''], flag: '--tool' },
  { args: ['ci', 'oidc', '--audience', ''], flag: '--audience' },
  { args: ['ci', 'oidc', ...API, '--tool', ''], flag: '--tool' },
  { args: ['token', 'verify', '-', '--audience', ''], flag: '--audience' },
  { args: ['token', 'verify', '-', ...API, '--tool', ''], flag: '--tool' },
  { args: ['token', 'can', 'billing:read', '-', '--audience', ''], flag: '--audience' },
  { args: ['audit', 'search', '--jti', ''], flag: '--jti' },
  { args: ['audit', 'verify', '--event', ''], flag: '--event' },
  { args: ['token', 'revoke', '--jti', ''], flag: '--jti' },
  { args: ['ci', 'oidc', ...API, '--identity-audience', ''], flag: '--identity-audience' },
  { args: ['trust', 'create', ...RULE, '--identity-audience', ''], flag: '--identity-audience' },
  { args: ['whoami', '--server', ''], flag: '--server' },
  { args: ['whoami', '--profile='], flag: '--profile' },
  { args: ['client', 'list', '--name', ''], flag: '--name' },
])('an empty flag is a usage error that names it: $args', async ({ args, flag }) => {
  const { code, stdout, stderr } = await runCli(args)
  expect([code, stdout, stderr]).toEqual([
    2,
    '',
    expect.stringMatching(`^authsec: ${flag} is empty\nhint: .* variable`),
  ])
})

test('so is one that every command has', async () => {
  const { code, stdout, stderr } = await runCli(['whoami', '--jq', ''])
  expect({ code, stdout, ...JSON.parse(stderr) }).toMatchObject({
    code: 2,
    stdout: '',
    error: { code: 'usage', message: '--jq is empty' },
  })
})
