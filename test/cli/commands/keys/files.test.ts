import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { makeDirectory, type RunOptions, runCli } from '../../../support/run-cli.js'

let place: string
const at = (name: string) => join(place, name)
const keys = (args: readonly string[], options: RunOptions = {}) => runCli(['keys', ...args], options)
const json = async (path: string) => JSON.parse(await readFile(path, 'utf8'))

beforeEach(async () => {
  place = await makeDirectory()
})

describe('authsec keys generate', () => {
  test('keeps the private key to a file of its owner, and prints the public one', async () => {
    const { code, stdout, stderr } = await keys(['generate', '--out', at('key.jwk')])
    expect([code, stderr]).toEqual([0, `written to ${at('key.jwk')}, which only you can read\n`])
    const [shown, kept] = [JSON.parse(stdout), await json(at('key.jwk'))]
    expect((await stat(at('key.jwk'))).mode & 0o777).toBe(0o600)
    expect(kept).toEqual({ ...shown, d: expect.any(String) })
    expect(shown).not.toHaveProperty('d')
  })

  test.each([{ tty: true }, { tty: false }])(
    'prints no private key unprompted, terminal: $tty',
    async ({ tty }) => {
      expect(await keys(['generate'], { tty })).toEqual({
        code: 2,
        stdout: '',
        stderr: expect.stringMatching(/^authsec: a private key is not printed\nhint: Name a new file/),
      })
    },
  )

  test('prints it where just that is asked for', async () => {
    expect((await keys(['generate', '--reveal', '--format', 'pem'])).stdout).toMatch(
      /^-----BEGIN PRIVATE KEY-----\n[\s\S]*-----END PRIVATE KEY-----\n$/,
    )
  })

  test('never overwrites a key', async () => {
    await writeFile(at('key.jwk'), 'mine')
    expect(await keys(['generate', '--out', at('key.jwk')])).toMatchObject({ code: 7, stdout: '' })
    expect(await readFile(at('key.jwk'), 'utf8')).toBe('mine')
  })
})

describe('authsec keys thumbprint, convert and jwks', () => {
  test('keep the private copy of a key that stands in two files, in either order', async () => {
    await keys(['generate', '--out', at('key.jwk')])
    const { stdout } = await keys(['convert', at('key.jwk'), '--to', 'pem'])
    await writeFile(at('pub.pem'), stdout)
    for (const files of [
      ['key.jwk', 'pub.pem'],
      ['pub.pem', 'key.jwk'],
    ]) {
      const run = await keys(['jwks', ...files.map(at), '--private', '--reveal'])
      expect([run.code, JSON.parse(run.stdout)]).toEqual([0, { keys: [await json(at('key.jwk'))] }])
    }
  })

  test.each(['ES256', 'RS256', 'EdDSA'])('go there and back: %s', async (alg) => {
    const { stdout } = await keys(['generate', '--alg', alg, '--out', at('key.jwk')])
    const { kid } = JSON.parse(stdout)
    await keys(['convert', at('key.jwk'), '--to', 'pem', '--private', '--out', at('key.pem')])
    expect((await stat(at('key.pem'))).mode & 0o777).toBe(0o600)
    expect((await keys(['thumbprint', at('key.pem')])).stdout).toBe(`${kid}\n`)
    await keys(['convert', at('key.pem'), '--private', '--out', at('back.jwk')])
    expect(await json(at('back.jwk'))).toEqual(await json(at('key.jwk')))
    const pem = await readFile(at('key.pem'), 'utf8')
    expect((await keys(['thumbprint', '-', '--json'], { stdin: pem })).stdout).toBe(
      `${JSON.stringify([{ kid, alg, private: true }], null, 2)}\n`,
    )
  })

  test('join keys into a set, each once and public', async () => {
    await keys(['generate', '--out', at('a.jwk')])
    await keys(['generate', '--alg', 'RS256', '--format', 'pem', '--out', at('b.pem')])
    const { code, stdout } = await keys(['jwks', at('a.jwk'), at('b.pem'), at('a.jwk')])
    expect(code).toBe(0)
    const set = JSON.parse(stdout)
    expect(set.keys.map(({ alg, use }: { alg: string; use: string }) => [alg, use])).toEqual([
      ['ES256', 'sig'],
      ['RS256', 'sig'],
    ])
    expect(stdout).not.toContain('"d"')
    await keys(['jwks', at('a.jwk'), at('b.pem'), '--private', '--out', at('set.json')])
    expect((await json(at('set.json'))).keys.every((key: object) => 'd' in key)).toBe(true)
    expect((await keys(['convert', at('set.json'), '--to', 'jwks'])).stdout).toBe(stdout)
  })

  test.each([
    { args: ['thumbprint', 'nothing'], code: 6, says: 'there is no file "nothing"' },
    { args: ['thumbprint', '.'], code: 2, says: '"." cannot be read (EISDIR)' },
    { args: ['convert', '-'], code: 16, says: 'standard input is no PEM, JWK or JWK Set' },
    { args: ['convert', '-', '--to', 'der'], code: 2, says: 'Allowed choices are' },
    { args: ['convert', '-', '--private'], code: 2, says: 'a private key is not printed' },
    { args: ['jwks', '-', '--private'], code: 2, says: 'a private key is not printed' },
    { args: ['jwks'], code: 2, says: "missing required argument 'files'" },
  ])('are refused with $code: $args', async ({ args, code, says }) => {
    expect(await keys(args)).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(says) })
  })

  test('do not invent a private part', async () => {
    const { stdout } = await keys(['generate', '--out', at('key.jwk')])
    const run = await keys(['convert', '-', '--private', '--reveal'], { stdin: stdout })
    expect(run).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('has no private part') })
  })
})
