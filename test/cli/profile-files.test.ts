import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createConfig } from '../../src/cli/config.js'
import { createCredentials } from '../../src/cli/credentials.js'
import { makeDirectory } from '../support/run-cli.js'

const DEV = { server_url: 'http://127.0.0.1:7468', tenant_id: 't', client_id: 'c' }

describe('the profiles', () => {
  test('are none without a file', async () => {
    expect(await createConfig(join(await makeDirectory(), 'none')).readProfiles()).toEqual({})
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

  test('are removed, unless they point elsewhere by now', async () => {
    const config = createConfig(await makeDirectory())
    await config.writeProfile('dev', DEV)
    await config.removeProfile('dev', 'http://127.0.0.1:1')
    expect(await config.readProfiles()).toEqual({ dev: DEV })
    await config.removeProfile('dev', DEV.server_url)
    expect(await config.readProfiles()).toEqual({})
  })

  test.each(['{', '[]', 'null'])(
    'in a file that holds %s are a configuration error, and the file stays',
    async (text) => {
      const config = createConfig(await makeDirectory())
      await writeFile(config.path, text)
      await expect(config.readProfiles()).rejects.toMatchObject({ code: 'configuration' })
      await expect(config.writeProfile('dev', DEV)).rejects.toMatchObject({ code: 'configuration' })
      expect(await readFile(config.path, 'utf8')).toBe(text)
    },
  )
})

describe('the sessions', () => {
  const SESSION = { access_token: 'secret', server_url: DEV.server_url, expires_at: '2026-08-21T12:00:00Z' }

  test('lie in a file that only its owner can read', async () => {
    const credentials = createCredentials(join(await makeDirectory(), 'new'))
    await credentials.write('dev', SESSION)
    expect((await stat(credentials.path)).mode & 0o777).toBe(0o600)
    expect(await credentials.read()).toEqual({ dev: SESSION })
  })

  test('are removed, unless another one has taken the place', async () => {
    const credentials = createCredentials(await makeDirectory())
    await credentials.write('dev', SESSION)
    await credentials.write('staging', { ...SESSION, access_token: 'other' })
    await credentials.remove('dev', 'an older secret')
    expect(Object.keys(await credentials.read())).toEqual(['dev', 'staging'])
    await credentials.remove('dev', 'secret')
    expect(Object.keys(await credentials.read())).toEqual(['staging'])
  })

  test('that are not written as they should be do not count', async () => {
    const credentials = createCredentials(await makeDirectory())
    await writeFile(credentials.path, JSON.stringify({ a: 'token', b: { access_token: 1, server_url: 'x' } }))
    expect(await credentials.read()).toEqual({})
  })
})
