import { describe, expect, test } from 'vitest'
import { runCli } from '../../support/run-cli.js'

describe('authsec explain', () => {
  test.each([
    {
      word: 'audience_mismatch',
      stdout:
        /^audience_mismatch \(error, exit code 14\): it is for another API\n {2}Mint one with --audience/,
    },
    { word: 'token.exchanged', stdout: /^token\.exchanged \(event\): somebody exchanged a token/ },
    {
      word: 'delegation.expired',
      stdout: /^delegation\.expired \(event\): the server noticed the end of a delegation\n$/,
    },
    { word: 'act', stdout: /^act \(claim\): / },
    { word: 'kid', stdout: /^kid \(header\): / },
    { word: 'audit_altered', stdout: /^audit_altered \(error, exit code 18\): / },
    { word: '10', stdout: /^10 \(exit code\): .*\nanswer_no \(error, exit code 10\)/ },
    { word: '22', stdout: /^22 \(exit code\): rate limited\nrate_limited \(error, exit code 22\)/ },
  ])('explains $word', async ({ word, stdout }) => {
    expect(await runCli(['explain', word])).toEqual({
      code: 0,
      stdout: expect.stringMatching(stdout),
      stderr: '',
    })
  })

  test('prints data with --json', async () => {
    const { stdout } = await runCli(['explain', 'login_required', '--json'])
    expect(JSON.parse(stdout)).toEqual([
      {
        kind: 'error',
        name: 'login_required',
        meaning: expect.any(String),
        remedy: 'Log in with authsec login.',
        exit_code: 4,
      },
    ])
  })

  test.each(['nonsense', 'constructor', '', '99'])('knows nothing about %j', async (word) => {
    expect(await runCli(['explain', word])).toMatchObject({
      code: 6,
      stdout: '',
      stderr: expect.stringMatching(/^authsec: nothing is known about .*\nhint: /),
    })
  })
})
