import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { calculateJwkThumbprint, type JWK } from 'jose'
import { describe, expect, test } from 'vitest'
import { makeDirectory, NOW, runCli } from '../../../support/run-cli.js'

const BILLING = 'https://billing.example'
const pem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }) as string
const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve }).privateKey

async function write(text: string, name = 'file'): Promise<string> {
  const file = join(await makeDirectory(), name)
  await writeFile(file, text)
  return file
}

async function mint(key: string, args: readonly string[] = []) {
  return runCli(['token', 'mint', '--local', '--key', await write(key), ...args])
}

function parse(token: string): { header: Record<string, unknown>; claims: Record<string, unknown> } {
  const [header, claims] = token
    .split('.', 2)
    .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()))
  return { header, claims }
}

describe('authsec token mint --local', () => {
  test.each([
    { kind: 'P-256', key: ec('P-256'), alg: 'ES256' },
    { kind: 'P-384', key: ec('P-384'), alg: 'ES384' },
    { kind: 'P-521', key: ec('P-521'), alg: 'ES512' },
    { kind: 'RSA', key: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey, alg: 'RS256' },
    { kind: 'Ed25519', key: generateKeyPairSync('ed25519').privateKey, alg: 'EdDSA' },
  ])('signs with $kind what token verify accepts by the public half', async ({ key, alg }) => {
    const jwk = createPublicKey(key).export({ format: 'jwk' }) as JWK
    const { code, stdout } = await mint(pem(key), ['--audience', BILLING, '--permission', 'billing:read'])
    expect(code).toBe(0)
    expect(parse(stdout).header).toEqual({ alg, typ: 'at+jwt', kid: await calculateJwkThumbprint(jwk) })
    const file = await write(JSON.stringify(jwk))
    const verify = [
      'token',
      'verify',
      '-',
      '--key',
      file,
      '--issuer',
      'urn:authsec:local',
      '--audience',
      BILLING,
    ]
    expect(await runCli([...verify, '--permission', 'billing:read'], { stdin: stdout })).toMatchObject({
      code: 0,
    })
    expect(await runCli([...verify, '--permission', 'billing:write'], { stdin: stdout })).toMatchObject({
      code: 14,
    })
  })

  test('says what the flags and the file say, and asks nobody', async () => {
    const claims = await write('{"sub":"alice","act":{"sub":"agent"},"exp":2000000000}')
    const args = ['--issuer', 'https://auth.test', '--audience', BILLING, '--tool', 'pay', '--claims', claims]
    const { stdout } = await mint(pem(ec('P-256')), [...args, '--ttl', '5m'])
    expect(parse(stdout).claims).toMatchObject({
      iss: 'https://auth.test',
      sub: 'alice',
      aud: BILLING,
      iat: NOW / 1000,
      exp: 2_000_000_000,
      tool: 'pay',
      act: { sub: 'agent' },
    })
  })

  test('calls its key as the JWK does', async () => {
    const jwk = { ...ec('P-256').export({ format: 'jwk' }), kid: 'test-key' }
    expect(parse((await mint(JSON.stringify(jwk))).stdout).header).toMatchObject({ kid: 'test-key' })
  })

  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey
  const publicPem = createPublicKey(ec('P-256')).export({ type: 'spki', format: 'pem' }) as string

  test.each([
    { why: 'a public key', key: publicPem, args: [], code: 2 },
    { why: 'a shared secret', key: '{"kty":"oct","k":"c2VjcmV0LXNlY3JldA"}', args: [], code: 2 },
    { why: 'a weak key', key: pem(weak), args: [], code: 2 },
    { why: 'a curve that nobody knows', key: pem(ec('secp256k1')), args: [], code: 2 },
    { why: 'no key', key: 'c2VjcmV0LXNlY3JldA', args: [], code: 2 },
    { why: 'claims that are a list', key: pem(ec('P-256')), args: ['--claims', '[]'], code: 2 },
    { why: 'an end that is no time', key: pem(ec('P-256')), args: ['--claims', '{"exp":"soon"}'], code: 2 },
    { why: 'no file of claims', key: pem(ec('P-256')), args: ['--claims', undefined], code: 6 },
    { why: 'a client too', key: pem(ec('P-256')), args: ['--client', 'x'], code: 2 },
    { why: 'too long a life', key: pem(ec('P-256')), args: ['--ttl', '6m'], code: 2 },
  ])('with $why ends with $code, and repeats nothing of the key', async ({ key, args, code }) => {
    const given = await Promise.all(
      args.map(async (arg) => {
        if (arg === undefined) return '/nowhere/claims.json'
        return /^[[{]/.test(arg) ? await write(arg) : arg
      }),
    )
    const run = await mint(key, given)
    expect(run).toMatchObject({ code, ...(code !== 0 && { stdout: '' }) })
    expect(run.stderr).not.toMatch(/c2VjcmV0|BEGIN/)
  })

  test.each([
    { args: ['--local'], stderr: /--local needs --key/ },
    { args: ['--key', 'a.pem'], stderr: /--key is for --local/ },
    { args: ['--issuer', 'https://a'], stderr: /--issuer is for --local/ },
    { args: ['--claims', 'a.json'], stderr: /--claims is for --local/ },
  ])('is refused as $args', async ({ args, stderr }) => {
    const run = await runCli(['token', 'mint', ...args])
    expect(run).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(stderr) })
  })
})
