import { expect, test } from 'vitest'
import { runCli } from '../support/run-cli.js'

const API = ['--audience', 'https://billing.example']

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
])('an empty flag is a usage error that names it: $args', async ({ args, flag }) => {
  const { code, stdout, stderr } = await runCli(args)
  expect([code, stdout, stderr]).toEqual([
    2,
    '',
    expect.stringMatching(`^authsec: ${flag} is empty\nhint: .* variable`),
  ])
})
