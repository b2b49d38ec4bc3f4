import { beforeEach, describe, expect, test } from 'vitest'
import { type AuthorityBench, openBench, PROVENANCE, refusalOf } from '../support/authority-bench.js'

let bench: AuthorityBench

beforeEach(async () => {
  bench = await openBench()
})

const create = (uri: string, permissions: readonly string[] = ['stock:read']) =>
  bench.authority.resources.create({ uri, permissions }, bench.admin, PROVENANCE)

describe('registering a resource', () => {
  test.each([
    'https://stock.example',
    'https://stock.example/',
    'https://stock.example/v1?region=eu',
    'HTTPS://Stock.example',
    'http://[::1]:8080/a',
    'urn:example:stock',
    'https://stock.example/%C3%A9',
  ])('keeps %s byte for byte', async (uri) => {
    await create(uri)
    expect((await bench.authority.resources.list()).map((resource) => resource.uri)).toContain(uri)
  })

  test('is recorded with what its tokens may carry', async () => {
    const events = await bench.eventsOf(() => create('https://stock.example', ['stock:write', 'stock:read']))
    expect(events).toEqual([
      expect.objectContaining({
        type: 'resource.created',
        outcome: 'allow',
        actor: { type: 'user', id: bench.admin.user.id },
        aud: ['https://stock.example'],
        permissions: { granted: ['stock:read', 'stock:write'] },
      }),
    ])
  })

  test.each([
    { why: 'nothing', uri: '' },
    { why: 'a name', uri: 'stock' },
    { why: 'a path', uri: '/stock' },
    { why: 'a fragment', uri: 'https://stock.example/#a' },
    { why: 'an empty fragment', uri: 'https://stock.example/#' },
    { why: 'a space', uri: 'https://stock.example/a b' },
    { why: 'a space at its end', uri: 'https://stock.example ' },
    { why: 'a line break', uri: 'https://stock.example/\n' },
    { why: 'letters that are not ASCII', uri: 'https://störe.example' },
    { why: 'text that turns its reading direction', uri: 'https://stock.example/\u202eelpmaxe' },
    { why: 'a quotation mark', uri: 'https://stock.example/"' },
    { why: 'a backslash', uri: 'https:\\\\stock.example' },
    { why: 'no host', uri: 'https://' },
    { why: 'a port that is none', uri: 'https://stock.example:99999' },
    { why: 'the star of policies', uri: '*' },
    { why: 'too many characters', uri: `https://stock.example/${'a'.repeat(1024)}` },
  ])('is refused for $why', async ({ uri }) => {
    const events = await bench.eventsOf(async () => {
      expect(await refusalOf(create(uri))).toMatchObject({ code: 'invalid_target' })
    })
    expect(events).toEqual([
      expect.objectContaining({ type: 'resource.created', outcome: 'deny', reason: 'invalid_target' }),
    ])
  })

  test.each(['billing', 'billing:', ':read', 'billing:*', 'Billing:read', 'billing:read ', ''])(
    'is refused for the permission %j',
    async (permission) => {
      expect(await refusalOf(create('https://stock.example', [permission]))).toMatchObject({
        code: 'invalid_scope',
      })
    },
  )

  test('is refused when the URI is taken, and the first stays as it is', async () => {
    const before = await bench.authority.resources.list()
    expect(await refusalOf(create('https://billing.example', ['billing:all']))).toMatchObject({
      code: 'conflict',
      message: 'the resource "https://billing.example" exists already',
    })
    expect(await bench.authority.resources.list()).toEqual(before)
  })

  test('is refused, and recorded, when it names more permissions than anybody has', async () => {
    const many = Array.from({ length: 5_000 }, (_, index) => `stock:action-${index}`)
    const events = await bench.eventsOf(async () => {
      expect(await refusalOf(create('https://stock.example', many))).toMatchObject({ code: 'invalid_scope' })
    })
    expect(events).toEqual([
      expect.objectContaining({ type: 'resource.created', outcome: 'deny', reason: 'invalid_scope' }),
    ])
    expect(await bench.store.resources.find('https://stock.example')).toBeUndefined()
  })
})
