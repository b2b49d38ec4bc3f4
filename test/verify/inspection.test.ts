import { describe, expect, test } from 'vitest'
import { createMemoryReplayStore, type Inspection } from '../../src/verify/index.js'
import { verifyBase, verifyCalls } from '../support/refused-tokens.js'
import {
  BILLING,
  CALL_CLAIMS,
  ISSUED_AT,
  ISSUER,
  signBase,
  signBound,
  signCall,
  TENANT,
} from '../support/token-issuer.js'

const lines = ({ checks }: Inspection) =>
  checks.map(({ name, outcome, detail }) => `${name} ${outcome}: ${detail}`)

describe('the inspection of a token', () => {
  test('tells of every check that it holds, and why', async () => {
    const inspection = await verifyCalls().inspect(signCall(), {
      permissions: ['billing:read'],
      tool: 'get_customer_billing',
    })
    expect(inspection).toMatchObject({
      verified: true,
      profile: 'call',
      header: { alg: 'ES256', typ: 'at+jwt', kid: 'call-key' },
      claims: CALL_CLAIMS,
    })
    expect(lines(inspection)).toEqual([
      'format ok: a signed JWT',
      'algorithm ok: ES256',
      'header ok: follows nothing',
      'type ok: call token',
      'key ok: "call-key"',
      `issuer ok: "${ISSUER}"`,
      `audience ok: "${BILLING}"`,
      `tenant ok: "${TENANT}"`,
      'expiry ok: expires in 1 minute',
      'start ok: issued now',
      'lifetime ok: 1m',
      'signature ok: made by a trusted key',
      'claims ok: all that a call token has',
      'scope ok: the same as permissions',
      'permissions ok: billing:read',
      'chain ok: 1 actor',
      'tool ok: "get_customer_billing"',
      'binding ok: unbound',
      'call skipped: none is expected',
    ])
  })

  test('passes over what nobody asked for', async () => {
    const { checks } = await verifyCalls({ tenant: undefined }).inspect(signCall())
    expect(checks.filter(({ outcome }) => outcome === 'skipped').map(({ name }) => name)).toEqual([
      'tenant',
      'permissions',
      'tool',
      'call',
    ])
    const base = await verifyBase().inspect(signBase())
    expect(base.checks.filter(({ outcome }) => outcome === 'skipped').map(({ name }) => name)).toEqual([
      'scope',
      'permissions',
      'chain',
      'tool',
      'call',
    ])
  })

  test('tells to what a token is bound, and uses none up', async () => {
    const args = { amount: '10.00' }
    const verifier = verifyCalls({ replay: createMemoryReplayStore({ singleProcess: true }) })
    const expected = { tool: 'refund', call: args, oneTime: true } as const
    const token = signBound(args, { one_time: true })
    const inspect = async () => lines(await verifier.inspect(token, expected)).slice(-2)
    await inspect()
    expect(await inspect()).toEqual([
      'binding ok: to its tool, to its call, for one use',
      'call ok: the one that the token is bound to',
    ])
  })

  test('lists every failure with its code, in the order of the checks', async () => {
    const token = signCall({
      iss: 'x',
      aud: 'x',
      tenant_id: 'x',
      sub: 7,
      scope: 'x',
      bind: ['call'],
      act: null,
    })
    const verifier = verifyCalls({ clock: () => ISSUED_AT + 3_600_000 })
    const { verified, checks } = await verifier.inspect(`${token.slice(0, -4)}AAAA`, {
      permissions: ['a:b'],
      tool: 'x',
    })
    expect(verified).toBe(false)
    expect(
      checks.filter(({ outcome }) => outcome === 'failed').map(({ name, code }) => `${name} ${code}`),
    ).toEqual([
      'issuer issuer_mismatch',
      'audience audience_mismatch',
      'tenant tenant_mismatch',
      'expiry token_expired',
      'signature signature_invalid',
      'claims claim_invalid',
      'scope claim_invalid',
      'permissions permission_missing',
      'tool tool_mismatch',
      'binding unhandled_binding',
    ])
  })

  test('says of a token of another kind only that, where it could not be signed by a key of ours', async () => {
    const { checks } = await verifyCalls().inspect(signBase())
    expect(checks.find(({ name }) => name === 'type')).toMatchObject({
      outcome: 'failed',
      code: 'type_mismatch',
    })
    expect(checks.find(({ name }) => name === 'key')).toMatchObject({ outcome: 'skipped' })
    expect(checks.find(({ name }) => name === 'signature')).toMatchObject({ outcome: 'skipped' })
  })

  test('says of what is no token that nothing could be checked', async () => {
    const { checks, ...rest } = await verifyCalls().inspect('garbage')
    expect(rest).toEqual({ verified: false, profile: undefined, header: undefined, claims: undefined })
    expect(checks[0]).toEqual({
      name: 'format',
      outcome: 'failed',
      detail: 'not a JWT: 1 part instead of three',
      code: 'token_malformed',
    })
    expect(checks.slice(1).every(({ outcome }) => outcome === 'skipped')).toBe(true)
    expect(checks).toHaveLength(19)
  })

  test('tells nothing that could move the cursor', async () => {
    const { checks } = await verifyCalls({ audience: '\u202eevil' }).inspect(
      signCall({ aud: '\u202eevil', tool: '\u001b[2J' }),
      { tool: '\u001b[2J' },
    )
    expect(checks.find(({ name }) => name === 'audience')?.detail).toBe('"\\u202eevil"')
    expect(checks.find(({ name }) => name === 'tool')?.detail).toBe('"\\u001b[2J"')
  })
})
