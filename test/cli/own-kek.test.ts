import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, inject, test } from 'vitest'
import { AuthsecError } from '../../src/core/errors.js'
import { hashState } from '../support/held-state.js'
import { makeDirectory, type Run, runCli } from '../support/run-cli.js'

/** How a server ends that was ready and then interrupted. */
const SERVED = { code: 130, stderr: '' }

let place: string
let state: string
let keys: string
beforeEach(async () => {
  place = await makeDirectory()
  state = join(place, 'state')
  keys = await write('keys.json', inject('serverKeys'))
})

async function write(name: string, content: string): Promise<string> {
  const path = join(place, name)
  await writeFile(path, content, { mode: 0o600 })
  return path
}

const kekOf = (byte: number) => Buffer.alloc(32, byte).toString('base64')

/** Starts a dev server on the state, and stops it once it is ready. */
function serve(args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Promise<Run> {
  const keyboard = new AbortController()
  const serving = ['dev', 'serve', '--state', state, '--port', '0', '--keys', `import=${keys}`, '--json']
  return runCli([...serving, ...args], {
    env: { AUTHSEC_CONFIG_DIR: join(place, 'config'), ...env },
    clock: { now: Date.now },
    fetch: globalThis.fetch,
    signal: keyboard.signal,
    onOutput: () => keyboard.abort(new AuthsecError('interrupted', 'interrupted')),
  })
}

describe('a dev server whose key-encryption key somebody keeps', () => {
  test('seals its state with that one, and makes none', async () => {
    const file = await write('mine', kekOf(5))
    expect(await serve(['--kek-file', file])).toMatchObject(SERVED)
    expect(await readdir(state)).not.toContain('kek')
    expect(await serve([], { AUTHSEC_KEK: kekOf(5) })).toMatchObject(SERVED)
    expect(await readdir(state)).not.toContain('kek')

    const before = await hashState(state)
    expect(await serve([], { AUTHSEC_KEK: kekOf(6) })).toMatchObject({
      code: 7,
      stdout: '',
      stderr: expect.stringMatching(/is another one: this state is sealed with .*--kek-file, AUTHSEC_KEK/),
    })
    expect(await serve()).toMatchObject({
      code: 7,
      stderr: expect.stringMatching(/is missing.*give the key that you keep with --kek-file or AUTHSEC_KEK/),
    })
    expect(await hashState(state)).toEqual(before)
  })

  test('refuses what is no key at the start, by the name of the variable and never by its value', async () => {
    const { code, stdout, stderr } = await serve([], { AUTHSEC_KEK: 'planted-nonsense' })
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain('AUTHSEC_KEK is not 32 bytes in base64')
    expect(stderr).not.toContain('planted')
    await expect(readdir(state)).rejects.toThrow('ENOENT')
  })

  test('opens no state with it that has one of its own, until that is moved to it', async () => {
    expect(await serve()).toMatchObject(SERVED)
    const before = await hashState(state)
    const file = await write('mine', kekOf(5))
    expect(await serve(['--kek-file', file])).toMatchObject({
      code: 7,
      stderr: expect.stringMatching(
        /another one: .* the file .*kek.* in its directory, which counts where neither/,
      ),
    })
    expect(await hashState(state)).toEqual(before)

    const rewrap = ['keys', 'rewrap', '--state', state]
    expect(await runCli([...rewrap, '--new-kek-file', file])).toMatchObject({
      code: 0,
      stderr: `the key in ${join(state, 'kek')} opens nothing any more\n`,
    })
    expect(await serve(['--kek-file', file])).toMatchObject(SERVED)
    expect(await serve()).toMatchObject({ code: 7, stderr: expect.stringContaining('is another one') })

    const next = await write('next', kekOf(6))
    const env = { AUTHSEC_KEK: kekOf(5) }
    expect(await runCli(rewrap, { env })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--new-kek-file'),
    })
    expect(await runCli([...rewrap, '--new-kek-file', next], { env })).toMatchObject({ code: 0 })
    expect(await serve(['--kek-file', next])).toMatchObject(SERVED)
  })
})
