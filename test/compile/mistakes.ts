// What a caller may get wrong and the compiler has to say: `npm run check` fails where one of these lines compiles. It is
// never run.

import { tool } from '@langchain/core/tools'
import { type AuthsecClient, createAuthsecClient, type DelegationToken } from 'authsec'
import { requireDelegation } from 'authsec/express'
import { delegatedTool, delegationMiddleware, withDelegation } from 'authsec/langchain'
import { createVerifier, type DelegationVerifier } from 'authsec/verify'
import { z } from 'zod'

const AUDIENCE = 'https://billing.example'
const PERMISSIONS = ['billing:read']

export async function askWrongly(authsec: AuthsecClient, token: DelegationToken): Promise<void> {
  // @ts-expect-error a client without its id
  createAuthsecClient({ serverUrl: 'http://127.0.0.1:7468' })
  // @ts-expect-error a transport that there is not
  createAuthsecClient({ serverUrl: 'http://127.0.0.1:7468', clientId: 'x', transport: 'push' })
  // @ts-expect-error a misspelt member, which would mean every permission
  await authsec.getDelegationToken({ audience: AUDIENCE, permission: PERMISSIONS })
  // @ts-expect-error one permission that is no list
  await authsec.getDelegationToken({ audience: AUDIENCE, permissions: 'billing:read' })
  // @ts-expect-error a binding that there is not
  await authsec.getDelegationToken({ audience: AUDIENCE, binding: 'arguments' })
  // @ts-expect-error a user's token in the place of a subject
  await authsec.getDelegationToken({ audience: AUDIENCE, subject: 'eyJhbGciOiJub25lIn0.e30.' })
  // @ts-expect-error a token in the place of the text of a header
  await fetch(AUDIENCE, { headers: { authorization: token } })
  // @ts-expect-error a token that is changed
  token.jti = 'another'
  // @ts-expect-error a look into the cache that is taken for a token
  authsec.peek().authorization()
}

export function secureWrongly(authsec: AuthsecClient): void {
  const fields = { name: 'read_bill', description: 'Reads a bill.', schema: z.object({ id: z.string() }) }
  // @ts-expect-error a tool without a delegation
  delegatedTool(authsec, async () => 'bill', fields)
  // @ts-expect-error a delegation without an audience
  delegatedTool(authsec, async () => 'bill', { ...fields, delegation: { permissions: PERMISSIONS } })
  // @ts-expect-error a delegation without permissions
  delegatedTool(authsec, async () => 'bill', { ...fields, delegation: { audience: AUDIENCE } })
  // @ts-expect-error an input that the schema does not have
  delegatedTool(authsec, async ({ amount }) => amount, {
    ...fields,
    delegation: { audience: AUDIENCE, permissions: PERMISSIONS },
  })
  // @ts-expect-error what is no tool
  withDelegation(authsec, async () => 'bill', { audience: AUDIENCE, permissions: PERMISSIONS })
  const swapped = tool(async () => 'bill', fields)
  // @ts-expect-error a middleware in the place of a tool
  withDelegation(authsec, delegationMiddleware(authsec, { tools: {} }), {
    audience: AUDIENCE,
    permissions: PERMISSIONS,
  })
  // @ts-expect-error a tool where the client stands, and the other way round
  withDelegation(swapped, authsec, { audience: AUDIENCE, permissions: PERMISSIONS })
}

export async function verifyWrongly(verifier: DelegationVerifier): Promise<void> {
  // @ts-expect-error a verifier of no API
  createVerifier({ serverUrl: 'http://127.0.0.1:7468' })
  // @ts-expect-error an algorithm that no call token has
  createVerifier({ serverUrl: 'http://127.0.0.1:7468', audience: AUDIENCE, algorithms: ['HS256'] })
  // @ts-expect-error a misspelt demand, which would ask for nothing
  requireDelegation(verifier, { permission: PERMISSIONS })
  // @ts-expect-error a verifier that is asked for no token
  await verifier.verify()
  // @ts-expect-error permissions of a verified delegation that are changed
  ;(await verifier.verify('x')).permissions.add('billing:write')
}
