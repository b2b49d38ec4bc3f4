import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeDirectory, runCli } from '../support/run-cli.js'
import { ADMIN, CLIENT_ID, stubServer, TENANT } from '../support/stub-server.js'

test('clients that a server names are kept for completion, but for what a shell could run', async () => {
  const directory = await makeDirectory()
  const names = ['billing-bot', '$(touch pwned)', '`id`', '-rf', 'a b', '../x', 'a\nb', '']
  const clients = names.map((name) => ({ client_id: CLIENT_ID, name, active: true }))
  await runCli(['client', 'list'], {
    env: { ...ADMIN, AUTHSEC_CONFIG_DIR: directory },
    fetch: stubServer({ [`GET /authsec/clientms/tenants/${TENANT}/clients/getClients`]: { clients } }).fetch,
  })
  expect(await readFile(join(directory, 'completion/clients'), 'utf8')).toBe(`${CLIENT_ID}\nbilling-bot\n`)
})

test('profiles are kept for completion as they come and go', async () => {
  const directory = await makeDirectory()
  const env = { AUTHSEC_CONFIG_DIR: directory }
  const read = () => readFile(join(directory, 'completion/profiles'), 'utf8')
  await runCli(['profile', 'create', 'one', '--server', 'https://one.example'], { env })
  await runCli(['profile', 'create', 'two', '--server', 'https://two.example'], { env })
  expect(await read()).toBe('one\ntwo\n')
  await runCli(['profile', 'delete', 'one'], { env })
  expect(await read()).toBe('two\n')
})
