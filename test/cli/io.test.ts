import { describe, expect, test } from 'vitest'
import { runCli } from '../support/run-cli.js'
import { formatUnsignedJwt } from '../support/unsigned-jwt.js'

const TOKEN = formatUnsignedJwt({ alg: 'ES256' }, { sub: 'user-1' })

describe('colour on standard output', () => {
  test.each([
    { args: [], env: {}, tty: true, isColored: true },
    { args: [], env: {}, tty: false, isColored: false },
    { args: [], env: { NO_COLOR: '1' }, tty: true, isColored: false },
    { args: [], env: { FORCE_COLOR: '1' }, tty: false, isColored: true },
    { args: [], env: { NO_COLOR: '1', FORCE_COLOR: '1' }, tty: true, isColored: false },
    { args: ['--color', 'always'], env: { NO_COLOR: '1' }, tty: false, isColored: true },
    { args: ['--color', 'never'], env: { FORCE_COLOR: '1' }, tty: true, isColored: false },
    { args: ['--color', 'auto'], env: { NO_COLOR: '1' }, tty: true, isColored: false },
  ])('with $args, $env and a terminal: $tty is $isColored', async ({ args, env, tty, isColored }) => {
    const { stdout } = await runCli([...args, 'token', 'decode', TOKEN], { env, tty })
    expect(stdout.includes('\u001b[')).toBe(isColored)
  })
})

test('standard error never has colour', async () => {
  const { stderr } = await runCli(['nonsense', '--color', 'always'], { tty: true })
  expect(stderr).not.toContain('\u001b')
})
