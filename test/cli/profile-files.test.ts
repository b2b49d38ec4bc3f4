import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createConfig } from '../../src/cli/config.js'
import { createCredentials } from '../../src/cli/credentials.js'
import { createMemoryKeychain, NO_KEYCHAIN } from '../support/memory-keychain.js'
import { makeDirectory } from '../support/run-cli.js'

const DEV = { server_url: 'http://127.0.0.1:7468', tenant_id: 't', client_id: 'c' }

describe('the profiles', () => {
  test('are none without a file', async () => {
    expect(await createConfig(join(await makeDirectory(), 'none')).read()).toEqual({ profiles: {} })
  })

  test('are written without touching the others or what else the file holds', async () => {
    const directory = await makeDirectory()
    const config = createConfig(directory)
    await writeFile(
      config.path,
      JSON.stringify({ other: 1, profiles: { 'a.b': { server_url: 'https://a.example' } } }),
    )
    await config.writeProfile('dev', DEV)
    expect(JSON.parse(await readFile(config.path, 'utf8'))).toEqual({
      other: 1,
      profiles: { 'a.b': { server_url: 'https://a.example' }, dev: DEV },
    })
  })

  test('that several commands write at once are all there', async () => {
    const directory = await makeDirectory()
    const names = Array.from({ length: 8 }, (_, n) => `p${n}`)
    await Promise.all(names.map((name) => createConfig(directory).writeProfile(name, DEV)))
    const { profiles } = await createConfig(directory).read()
    expect(Object.keys(profiles).sort()).toEqual(names)
    await Promise.all(names.map((name) => createConfig(directory).removeProfile(name)))
    expect(await createConfig(directory).read()).toEqual({ profiles: {} })
  })

  test('are removed, unless they point elsewhere by now', async () => {
    const config = createConfig(await makeDirectory())
    await config.writeProfile('dev', DEV)
    await config.removeProfile('dev', 'http://127.0.0.1:1')
    expect(await config.read()).toEqual({ profiles: { dev: DEV } })
    await config.removeProfile('dev', DEV.server_url)
    expect(await config.read()).toEqual({ profiles: {} })
  })

  test('say what to do where the directory takes no file', async () => {
    const blocked = join(await makeDirectory(), 'file')
    await writeFile(blocked, '')
    const refusal = {
      code: 'configuration',
      message: expect.stringMatching(/(config|credentials)\.json" cannot be written \(E\w+\)$/),
      hint: 'Set AUTHSEC_CONFIG_DIR to a directory where you may write.',
    }
    await expect(createConfig(blocked).writeProfile('dev', DEV)).rejects.toMatchObject(refusal)
    const session = { access_token: 't', server_url: DEV.server_url }
    const written = createCredentials(blocked, NO_KEYCHAIN).write('dev', session, 'file')
    await expect(written).rejects.toMatchObject(refusal)
  })

  test.each(['{', '[]', 'null'])(
    'in a file that holds %s are a configuration error, and the file stays',
    async (text) => {
      const config = createConfig(await makeDirectory())
      await writeFile(config.path, text)
      await expect(config.read()).rejects.toMatchObject({ code: 'configuration' })
      await expect(config.writeProfile('dev', DEV)).rejects.toMatchObject({ code: 'configuration' })
      expect(await readFile(config.path, 'utf8')).toBe(text)
    },
  )
})

describe('the profile in use', () => {
  test('is remembered, and forgotten together with its profile', async () => {
    const config = createConfig(await makeDirectory())
    await config.writeProfile('dev', DEV)
    await config.useProfile('dev')
    expect(await config.read()).toEqual({ used: 'dev', profiles: { dev: DEV } })
    await config.removeProfile('dev')
    expect(await config.read()).toEqual({ profiles: {} })
  })
})

describe('the sessions', () => {
  const SESSION = { access_token: 'secret', server_url: DEV.server_url, expires_at: '2026-08-21T12:00:00Z' }

  test('lie in a file that only its owner can read', async () => {
    const credentials = createCredentials(join(await makeDirectory(), 'new'), NO_KEYCHAIN)
    await credentials.write('dev', SESSION, 'file')
    expect((await stat(credentials.path)).mode & 0o777).toBe(0o600)
    const { access_token, ...facts } = SESSION
    expect(await credentials.list()).toEqual({ dev: { ...facts, place: 'file' } })
    expect(await credentials.open('dev')).toBe(access_token)
  })

  test('that several commands write at once are all there', async () => {
    const directory = await makeDirectory()
    const open = () => createCredentials(directory, NO_KEYCHAIN)
    const names = Array.from({ length: 8 }, (_, n) => `p${n}`)
    await Promise.all(names.map((name) => open().write(name, SESSION, 'file')))
    expect(Object.keys(await open().list()).sort()).toEqual(names)
    await Promise.all(names.map((name) => open().remove(name)))
    expect(await open().list()).toEqual({})
  })

  test('are removed, unless another one has taken the place', async () => {
    const credentials = createCredentials(await makeDirectory(), NO_KEYCHAIN)
    await credentials.write('dev', SESSION, 'file')
    await credentials.write('staging', { ...SESSION, access_token: 'other' }, 'file')
    await credentials.remove('dev', 'an older secret')
    expect(Object.keys(await credentials.list())).toEqual(['dev', 'staging'])
    await credentials.remove('dev', 'secret')
    expect(Object.keys(await credentials.list())).toEqual(['staging'])
  })

  test('are not removed where another one takes the place while the keychain is asked', async () => {
    const keychain = createMemoryKeychain()
    const directory = await makeDirectory()
    const credentials = createCredentials(directory, {
      ...keychain,
      async read(account) {
        const token = await keychain.read(account)
        const later = { ...SESSION, access_token: 'later' }
        await createCredentials(directory, keychain).write('dev', later, 'keychain')
        return token
      },
    })
    await credentials.write('dev', SESSION, 'keychain')
    await credentials.remove('dev', SESSION.access_token)
    expect(await createCredentials(directory, keychain).open('dev')).toBe('later')
  })

  test('that are not written as they should be do not count', async () => {
    const credentials = createCredentials(await makeDirectory(), NO_KEYCHAIN)
    await writeFile(credentials.path, JSON.stringify({ a: 'token', b: { access_token: 1, server_url: 'x' } }))
    expect(await credentials.list()).toEqual({})
  })

  test('in a keychain leave the file without their secret, and are forgotten in both', async () => {
    const keychain = createMemoryKeychain()
    const credentials = createCredentials(await makeDirectory(), keychain)
    await credentials.write('dev', SESSION, 'keychain')
    expect(await readFile(credentials.path, 'utf8')).not.toContain(SESSION.access_token)
    expect(await credentials.list()).toMatchObject({ dev: { place: 'keychain' } })
    expect(await credentials.open('dev')).toBe(SESSION.access_token)
    await credentials.remove('dev', 'an older secret')
    expect(keychain.entries.size).toBe(1)
    await credentials.remove('dev', SESSION.access_token)
    expect(keychain.entries.size).toBe(0)
    expect(await credentials.list()).toEqual({})
  })

  test('that replace another leave nothing of it in the keychain', async () => {
    const keychain = createMemoryKeychain()
    const credentials = createCredentials(await makeDirectory(), keychain)
    await credentials.write('dev', SESSION, 'keychain')
    await credentials.write('dev', { ...SESSION, access_token: 'newer' }, 'file')
    expect(keychain.entries.size).toBe(0)
    expect(await credentials.open('dev')).toBe('newer')
  })

  test('in a keychain that does not open have to be made again', async () => {
    const directory = await makeDirectory()
    await createCredentials(directory, createMemoryKeychain()).write('dev', SESSION, 'keychain')
    await expect(createCredentials(directory, NO_KEYCHAIN).open('dev')).rejects.toMatchObject({
      code: 'login_required',
      hint: expect.stringContaining('--store file'),
    })
  })
})
