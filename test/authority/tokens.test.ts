import { randomUUID } from 'node:crypto'
import { beforeEach, expect, test } from 'vitest'
import { type AuthorityBench, openBench, refusalOf } from '../support/authority-bench.js'

let bench: AuthorityBench

beforeEach(async () => {
  bench = await openBench()
})

test.each([
  { why: 'no grant type', fields: { grant_type: undefined }, code: 'invalid_request' },
  { why: 'a grant type of another time', fields: { grant_type: 'password' }, code: 'unsupported_grant_type' },
  { why: 'a part of a grant type', fields: { grant_type: 'token-exchange' }, code: 'unsupported_grant_type' },
  { why: 'no client', fields: { client_id: undefined }, code: 'invalid_client' },
  { why: 'a client id that is none', fields: { client_id: 'demo-agent' }, code: 'invalid_client' },
  { why: 'a client that does not exist', fields: { client_id: randomUUID() }, code: 'invalid_client' },
])('the token endpoint refuses $why', async ({ fields, code }) => {
  const { token } = await bench.grant()
  expect(await refusalOf(bench.exchange(token, fields))).toMatchObject({ code })
})

test('a client is itself in any case of its id', async () => {
  const { token } = await bench.grant()
  const answer = await bench.exchange(token, { client_id: bench.seeded.agentId.toUpperCase() })
  expect(answer.scope).toBe('billing:read')
})
