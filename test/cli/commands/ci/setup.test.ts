import { describe, expect, test } from 'vitest'
import { matchesPattern } from '../../../../src/core/trust-rule.js'
import { runCli } from '../../../support/run-cli.js'

const CLIENT = '0c6f9a52-1f4e-4f0a-8d39-5b1a7c2e4d10'
const ENV = { AUTHSEC_SERVER: 'https://authsec.example', AUTHSEC_CLIENT_ID: CLIENT }
const FLAGS = [
  '--repository',
  'acme/shop',
  '--audience',
  'https://billing.example',
  '--permission',
  'billing:read',
]

describe('authsec ci setup', () => {
  test.each([
    {
      system: 'github',
      has: ['id-token: write', "AUTHSEC_SERVER: 'https://authsec.example'", '"$RUNNER_TEMP/call-token"'],
      sub: 'repo:acme/shop:ref:refs/heads/main',
    },
    {
      system: 'gitlab',
      has: ["      aud: 'https://authsec.example'", 'AUTHSEC_ID_TOKEN:', 'if: $CI_COMMIT_BRANCH == "main"'],
      sub: 'project_path:acme/shop:ref_type:branch:ref:main',
    },
  ])(
    'prints the job of $system and its rule, which matches that job and no other',
    async ({ system, has, sub }) => {
      const { code, stdout, stderr } = await runCli(['ci', 'setup', system, ...FLAGS], { env: ENV })
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      for (const part of has) expect(stdout).toContain(part)
      const subject = /--subject '([^']+)'/.exec(stdout)?.[1] ?? ''
      expect(matchesPattern(subject, sub)).toBe(true)
      expect(matchesPattern(subject, sub.replace('main', 'other'))).toBe(false)
      expect(stdout).toContain(
        `authsec ci oidc --audience 'https://billing.example' --permission 'billing:read'`,
      )
      expect(stdout).toContain(CLIENT)
      expect(stdout).not.toMatch(/\t/)
    },
  )

  test('names a project of GitLab by its whole path', async () => {
    const args = ['ci', 'setup', 'gitlab', ...FLAGS, '--repository', 'acme/web/shop']
    expect((await runCli(args, { env: ENV })).stdout).toContain(
      `--subject 'project_path:acme/web/shop:ref_type:branch:ref:main'`,
    )
  })

  test.each([
    { why: 'an unknown system', args: ['jenkins', ...FLAGS], says: /jenkins/ },
    { why: 'no repository', args: ['github', '--audience', 'https://a.example'], says: /--repository/ },
    {
      why: 'a repository that is none',
      args: ['github', ...FLAGS, '--repository', "a/b'\n"],
      says: /is not a repository/,
    },
    {
      why: 'groups of groups at GitHub',
      args: ['github', ...FLAGS, '--repository', 'acme/web/shop'],
      says: /"acme\/web\/shop" is not a repository of github/,
    },
    {
      why: 'a branch that is none',
      args: ['github', ...FLAGS, '--branch', 'a"b'],
      says: /cannot be a branch/,
    },
    {
      why: 'an audience that is no address',
      args: ['github', ...FLAGS, '--audience', 'x'],
      says: /is not the address/,
    },
  ])('refuses $why', async ({ args, says }) => {
    const run = await runCli(['ci', 'setup', ...args], { env: ENV })
    expect(run).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(says) })
  })
})
