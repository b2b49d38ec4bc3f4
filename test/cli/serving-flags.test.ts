import { describe, expect, test } from 'vitest'
import { collectAddress } from '../../src/cli/serving-flags.js'
import { runCli } from '../support/run-cli.js'

const TEAM = ['--mode', 'shared', '--issuer', 'https://authsec.example']
const MARK = ['--audit-high-water', 'mark']
const SHARED = [...TEAM, '--state', '/nowhere', ...MARK]

const STORE = ['--store', 'postgres://authsec@127.0.0.1/authsec']

describe('dev serve', () => {
  test.each<{ args: readonly string[]; says: string; hint: string }>([
    { args: ['--mode', 'team'], says: 'Allowed choices are dev, shared', hint: '--help' },
    {
      args: ['--host', '0.0.0.0'],
      says: '"0.0.0.0" is not an address of this machine alone',
      hint: '--mode shared',
    },
    {
      args: ['--issuer', 'https://authsec.example'],
      says: '--issuer does not go with --mode dev',
      hint: 'Add --mode shared',
    },
    {
      args: ['--kek-file', '/nowhere/kek'],
      says: 'the key "/nowhere/kek" cannot be read (ENOENT)',
      hint: '',
    },
    {
      args: [...SHARED, '--keys', 'ephemeral'],
      says: '--keys does not go with --mode shared',
      hint: 'A team keeps its keys',
    },
    { args: ['--mode', 'shared'], says: '--mode shared needs --issuer', hint: 'https://authsec.example' },
    { args: [...TEAM, ...MARK], says: '--mode shared needs --state or --store', hint: 'authsec dev init' },
    {
      args: [...SHARED, ...STORE],
      says: 'the state has one place, and more are named',
      hint: '--store',
    },
    {
      args: [...TEAM, ...STORE],
      says: '--mode shared needs --audit-high-water',
      hint: 'where no backup of the state reaches',
    },
    {
      args: [...TEAM, '--state', '/nowhere'],
      says: '--mode shared needs --audit-high-water',
      hint: 'outside of the state directory',
    },
    {
      args: STORE,
      says: '--store does not go with --mode dev',
      hint: '--allow-dev-postgres lets them share one',
    },
    {
      args: ['--store-file', 'store'],
      says: '--store does not go with --mode dev',
      hint: 'Add --mode shared',
    },
    {
      args: [...STORE, '--allow-dev-postgres'],
      says: 'the key-encryption key is missing',
      hint: '--kek-file',
    },
    {
      args: [...TEAM, ...STORE, '--allow-dev-postgres'],
      says: '--allow-dev-postgres does not go with --mode shared',
      hint: 'leave it out',
    },
    {
      args: [...SHARED, '--require-sync-standby'],
      says: '--require-sync-standby needs a database',
      hint: '--store',
    },
    { args: ['--lease', '1m'], says: '--lease needs a database', hint: 'leave it out' },
    { args: [...SHARED, '--lease', '1m'], says: '--lease needs a database', hint: '--store' },
    { args: ['--store', 'authsec.db'], says: 'is not the address of a PostgreSQL database', hint: '--state' },
    { args: ['--store', 'https://db.example/x'], says: 'is not the address of a PostgreSQL', hint: '' },
    { args: SHARED, says: 'the key-encryption key is missing', hint: '--kek-file, or set AUTHSEC_KEK' },
    {
      args: [...TEAM, '--ephemeral'],
      says: '--ephemeral does not go with --mode shared',
      hint: '--state',
    },
    {
      args: [...SHARED, '--seed', 'seed.json'],
      says: '--seed does not go with --mode shared',
      hint: 'authsec dev init',
    },
    {
      args: [...SHARED, '--quirks', 'renew'],
      says: '--quirks does not go with --mode shared',
      hint: 'leave it out',
    },
    {
      args: [...SHARED, '--ciba', 'auto-approve'],
      says: '--ciba does not go with --mode shared',
      hint: 'leave it out',
    },
    {
      args: [...SHARED, '--kek-file', '/nowhere/kek'],
      says: 'the key "/nowhere/kek" cannot be read (ENOENT)',
      hint: '',
    },
    {
      args: ['--allow-host', 'authsec.internal:8080'],
      says: '"authsec.internal:8080" is not the name of a host',
      hint: 'without scheme and port',
    },
    {
      args: ['--allow-host', 'https://authsec.internal'],
      says: 'is not the name of a host',
      hint: 'without scheme',
    },
    { args: ['--allow-host', '*.internal'], says: 'is not the name of a host', hint: '' },
    { args: ['--allow-host', 'a/b'], says: 'is not the name of a host', hint: '' },
    { args: ['--cors', '*'], says: '"*" is not an origin', hint: 'there is no wildcard' },
    { args: ['--cors', 'null'], says: '"null" is not an origin', hint: '' },
    { args: ['--cors', 'https://console.example/'], says: 'is not an origin', hint: '' },
    { args: ['--cors', 'console.example'], says: 'is not an origin', hint: '' },
    { args: ['--trust-proxy', '10.0.0.0/8'], says: '"10.0.0.0/8" is not an IP address', hint: '' },
    { args: ['--trust-proxy', '10.1'], says: '"10.1" is not an IP address', hint: '' },
    { args: ['--trust-proxy', '::1]x['], says: 'is not an IP address', hint: '' },
    { args: ['--trust-proxy', 'proxy.example'], says: 'is not an IP address', hint: '' },
    { args: ['--rate-limits', 'none'], says: 'Allowed choices are off, authsec, shared', hint: '--help' },
  ])('refuses $args and says what to do', async ({ args, says, hint }) => {
    const run = await runCli(['dev', 'serve', ...args])
    expect(run).toMatchObject({ code: 2, stdout: '' })
    expect(run.stderr).toContain(says)
    expect(run.stderr).toContain(hint)
  })

  test.each([
    ['http://authsec.example', 'is not an https URL without a path'],
    ['https://authsec.example/tenant', 'is not an https URL without a path'],
  ])('refuses the issuer %s in mode shared', async (issuer, says) => {
    const env = { AUTHSEC_KEK: Buffer.alloc(32, 1).toString('base64') }
    const args = ['dev', 'serve', '--mode', 'shared', '--issuer', issuer, '--state', '/nowhere', ...MARK]
    const run = await runCli(args, { env })
    expect(run).toMatchObject({ code: 2, stderr: expect.stringContaining(says) })
  })

  test('never shows the key of the environment', async () => {
    const run = await runCli(['dev', 'serve', ...SHARED], { env: { AUTHSEC_KEK: 'c2VjcmV0LWtleQ' } })
    expect(run).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^authsec: AUTHSEC_KEK is not 32 bytes in base64\nhint: /),
    })
  })
})

describe('the address of a proxy', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::1', '::1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
  ])('%s is spelt as a socket does: %s', (text, spelt) => {
    expect(collectAddress(text, ['10.0.0.1'])).toEqual(['10.0.0.1', spelt])
  })
})
