import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { makeDirectory, runCli } from '../../../support/run-cli.js'
import { stubServer } from '../../../support/stub-server.js'
import { createKey, ISSUED_AT, ISSUER, signJwt, spoilSignature } from '../../../support/token-issuer.js'

const CLOCK = { now: () => ISSUED_AT }
const seconds = ISSUED_AT / 1000
const GITHUB = 'https://token.actions.githubusercontent.com'
const CI_KEY = createKey('RS256', { kid: 'ci-1' })
const CI_CLAIMS = {
  iss: GITHUB,
  sub: 'repo:acme/shop:ref:refs/heads/main',
  aud: 'https://authsec.example',
  iat: seconds - 60,
  nbf: seconds - 60,
  exp: seconds + 240,
  repository_owner_id: '42',
  groups: ['dev', 'ops'],
  act: { client_id: 'c1' },
}
const DISCOVERY = { issuer: GITHUB, jwks_uri: `${GITHUB}/.well-known/jwks` }
const ROUTES = {
  'GET /.well-known/openid-configuration': DISCOVERY,
  'GET /.well-known/jwks': { keys: [CI_KEY.jwk] },
}

function sign(claims: object = {}, header: object = {}): string {
  return signJwt(
    { alg: 'RS256', typ: 'JWT', kid: 'ci-1', ...header },
    { ...CI_CLAIMS, ...claims },
    CI_KEY.privateKey,
  )
}

function verify(token: string, args: readonly string[], answers: Parameters<typeof stubServer>[0] = ROUTES) {
  const { fetch } = stubServer(answers)
  return runCli(['token', 'verify', ...args], { clock: CLOCK, stdin: token, fetch })
}

describe('a token of another issuer', () => {
  test('is verified by the keys that its issuer publishes', async () => {
    const run = await verify(sign(), ['--issuer', GITHUB, '--audience', CI_CLAIMS.aud])
    expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(run.stdout).toMatch(/^VERIFIED {2}JWT\n/)
  })

  test.each([
    { why: 'a changed signature', token: spoilSignature(sign()), args: [], code: 13 },
    { why: 'another key', token: sign({}, { kid: 'ci-2' }), args: [], code: 13 },
    { why: 'a key of its own', token: sign({}, { jku: 'https://evil.example' }), args: [], code: 13 },
    { why: 'HMAC', token: sign({}, { alg: 'HS256' }), args: [], code: 13 },
    { why: 'an algorithm that is not pinned', token: sign(), args: ['--alg', 'ES256'], code: 13 },
    { why: 'another audience', token: sign(), args: ['--audience', 'x'], code: 14 },
    { why: 'another type', token: sign(), args: ['--typ', 'at+jwt'], code: 14 },
    { why: 'a missing claim', token: sign(), args: ['--require', 'email'], code: 14 },
    { why: 'another value', token: sign(), args: ['--require', 'repository_owner_id=43'], code: 14 },
    { why: 'no member of a list', token: sign(), args: ['--require', 'groups=admin'], code: 14 },
    { why: 'an inherited name', token: sign(), args: ['--require', 'constructor'], code: 14 },
    { why: 'a missing permission', token: sign({ scope: 'a:b' }), args: ['--permission', 'a:c'], code: 14 },
    { why: 'another issuer', token: sign({ iss: 'https://gitlab.example' }), args: [], code: 14 },
    { why: 'no issuer', token: sign({ iss: undefined }), args: [], code: 14 },
    { why: 'its end', token: sign({ exp: seconds }), args: [], code: 11 },
    { why: 'its beginning', token: sign({ nbf: seconds + 60 }), args: [], code: 12 },
    { why: 'no end', token: sign({ exp: undefined }), args: [], code: 14 },
  ])('is refused for $why with $code', async ({ token, args, code }) => {
    const run = await verify(token, ['--issuer', GITHUB, ...args])
    expect(run).toMatchObject({ code, stdout: expect.stringMatching(/^NOT VERIFIED\n[\s\S]*FAIL/) })
  })

  test.each([
    ['--require', 'repository_owner_id=42'],
    ['--require', 'groups=ops'],
    ['--require', 'act.client_id=c1'],
    ['--typ', 'jwt'],
    ['--alg', 'RS256'],
  ])('holds %s %s', async (...flag) => {
    expect(await verify(sign(), ['--issuer', GITHUB, ...flag])).toMatchObject({ code: 0 })
  })

  test('needs neither iat nor a name for a lone key', async () => {
    const token = sign({ iat: undefined, nbf: undefined }, { kid: undefined })
    expect(await verify(token, ['--issuer', GITHUB])).toMatchObject({ code: 0 })
  })

  test('is believed when the profile trusts its issuer, and nobody is asked when it does not', async () => {
    const home = await makeDirectory()
    const profile = { server_url: ISSUER, trusted_issuers: [GITHUB] }
    await writeFile(join(home, 'config.json'), JSON.stringify({ profiles: { dev: profile } }))
    const { fetch } = stubServer(ROUTES)
    const env = { AUTHSEC_CONFIG_DIR: home }
    const options = { clock: CLOCK, env, fetch }
    expect(await runCli(['token', 'verify'], { ...options, stdin: sign() })).toMatchObject({ code: 0 })

    const { fetch: _unused, ...alone } = options
    for (const { iss, shown } of [
      { iss: 'https://gitlab.example', shown: '"https://gitlab.example"' },
      // What stands for nobody in the settings of the verifier.
      { iss: 'urn:authsec:nobody', shown: '"urn:authsec:nobody"' },
      { iss: undefined, shown: 'missing' },
    ]) {
      const run = await runCli(['token', 'verify'], { ...alone, stdin: sign({ iss }) })
      expect(run).toMatchObject({
        code: 14,
        stderr: expect.stringMatching(/, whom nobody here believes\nhint: To believe another/),
      })
      expect(run.stderr).toContain(`the issuer is ${shown}, whom`)
      expect(run.stdout).toMatch(/- {5}signature +nobody is believed who could have made it/)
    }
  })

  test.each([
    { why: 'calls itself another', routes: { ...DISCOVERY, issuer: 'https://evil.example' }, code: 21 },
    {
      why: 'has its keys at no safe place',
      routes: { ...DISCOVERY, jwks_uri: 'http://evil.example' },
      code: 2,
    },
    { why: 'says nothing', routes: {}, code: 21 },
  ])('is not judged when its issuer $why', async ({ routes, code }) => {
    const document = { 'GET /.well-known/openid-configuration': routes }
    const run = await verify(sign(), ['--issuer', GITHUB], document)
    expect(run).toMatchObject({ code, stdout: '' })
  })

  test('is never taken for a delegation token', async () => {
    const token = sign({ authsec_grant: 'standing' }, { typ: 'at+jwt' })
    // Though its issuer says that it is an authorization server.
    const routes = { ...ROUTES, 'GET /.well-known/oauth-authorization-server': DISCOVERY }
    const run = await verify(token, ['--issuer', GITHUB], routes)
    expect(run).toMatchObject({ code: 14, stdout: expect.stringMatching(/^NOT VERIFIED\n/) })
  })
})
