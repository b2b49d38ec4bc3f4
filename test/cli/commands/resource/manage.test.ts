import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ServedCli, serveCli } from '../../../support/served-cli.js'

const SHIPPING = 'https://shipping.example/v1?region=eu'

let cli: ServedCli
beforeAll(async () => {
  cli = await serveCli()
  await cli.read(['resource', 'create', SHIPPING, '--permission', 'shipping:read'])
})
afterAll(() => cli.server.close())

describe('authsec resource create', () => {
  test('fails for what is no address, and says how one is written', async () => {
    expect(await cli.run(['resource', 'create', 'foo'])).toEqual({
      code: 2,
      stdout: '',
      stderr:
        'authsec: "foo" is not an absolute URI without a fragment\nhint: Write the address of the API, such as https://billing.example.\n',
    })
  })
})

describe('authsec resource show', () => {
  test('prints one API, whatever stands in its address', async () => {
    expect(await cli.read(['resource', 'show', SHIPPING])).toMatchObject({
      uri: SHIPPING,
      signing_alg: 'ES256',
    })
    const { stdout } = await cli.run(['resource', 'show', SHIPPING])
    expect(stdout).toContain(`uri\t${SHIPPING}\npermissions\tshipping:read\nsigned with\tES256\n`)
  })

  test.each(['https://shipping.example/v1', `${SHIPPING}/`, '../resources'])('fails for %s', async (uri) => {
    expect(await cli.run(['resource', 'show', uri])).toMatchObject({ code: 6, stdout: '' })
  })
})

describe('authsec resource delete', () => {
  test('names with --dry-run the policies and the delegations that reach it', async () => {
    const { stops } = await cli.read(['resource', 'delete', 'https://billing.example', '--dry-run'])
    expect(stops.map(({ kind }: { kind: string }) => kind).sort()).toEqual(['delegation', 'policy'])
    expect((await cli.read(['resource', 'delete', SHIPPING, '--dry-run'])).stops).toEqual([])
  })

  test('ends the tokens for it from then on', async () => {
    const mint = ['token', 'mint', '--audience', 'https://orders.example']
    expect((await cli.run(mint)).code).toBe(0)
    expect(await cli.run(['resource', 'delete', 'https://orders.example'])).toMatchObject({
      code: 2,
      stdout: '',
    })
    const confirm = ['--confirm', 'https://orders.example']
    expect(await cli.read(['resource', 'delete', 'https://orders.example', ...confirm])).toEqual({
      uri: 'https://orders.example',
      status: 'deleted',
    })
    expect((await cli.run(mint)).code).toBe(5)
    expect(await cli.run(['resource', 'delete', 'https://orders.example', ...confirm])).toMatchObject({
      code: 6,
    })
  })
})
