import { describeRefusals, verifyBase, verifyCalls } from '../support/refused-tokens.js'
import {
  AGENT,
  BILLING,
  CALL_CLAIMS,
  CALL_KEY,
  ISSUED_AT,
  ISSUER,
  nestActors,
  signBase,
  signCall,
  signJwt,
  TENANT,
} from '../support/token-issuer.js'

const SECOND = 1_000
const iat = ISSUED_AT / SECOND

describeRefusals('issuer, audience and tenant', [
  {
    why: 'another issuer',
    token: signCall({ iss: 'https://evil.example' }),
    code: 'issuer_mismatch',
    message: `the issuer is "https://evil.example", not "${ISSUER}"`,
  },
  { why: 'the issuer with a slash', token: signCall({ iss: `${ISSUER}/` }), code: 'issuer_mismatch' },
  {
    why: 'no issuer',
    token: signCall({ iss: undefined }),
    code: 'issuer_mismatch',
    message: `the issuer is missing, not "${ISSUER}"`,
  },
  { why: 'an issuer that is an object', token: signCall({ iss: { toString: 1 } }), code: 'issuer_mismatch' },
  {
    why: 'another audience',
    token: signCall({ aud: 'https://profile.example' }),
    code: 'audience_mismatch',
    message: `the audience is "https://profile.example", not "${BILLING}"`,
  },
  { why: 'the audience with a slash', token: signCall({ aud: `${BILLING}/` }), code: 'audience_mismatch' },
  {
    why: 'the audience in capitals',
    token: signCall({ aud: BILLING.toUpperCase() }),
    code: 'audience_mismatch',
  },
  {
    why: 'a list of other audiences',
    token: signCall({ aud: ['a', 'b', 'c', 'd', 'e'] }),
    code: 'audience_mismatch',
    message: `the audience is "a" or "b" or "c" or 2 more, not "${BILLING}"`,
  },
  { why: 'no audience', token: signCall({ aud: undefined }), code: 'audience_mismatch' },
  { why: 'an empty list of audiences', token: signCall({ aud: [] }), code: 'audience_mismatch' },
  {
    why: 'several audiences in a call token',
    token: signCall({ aud: [BILLING, 'https://other.example'] }),
    code: 'claim_invalid',
    message: 'missing or malformed: aud',
  },
  {
    why: 'another tenant',
    token: signCall({ tenant_id: 'other' }),
    code: 'tenant_mismatch',
    message: `the tenant is "other", not "${TENANT}"`,
  },
  { why: 'no tenant', token: signCall({ tenant_id: undefined }), code: 'tenant_mismatch' },
])

describeRefusals('the times', [
  {
    why: 'expired',
    token: signCall(),
    code: 'token_expired',
    message: 'the token expired 5 seconds ago',
    verifier: verifyCalls({ clock: () => ISSUED_AT + 65 * SECOND }),
  },
  {
    why: 'expired where nothing is tolerated',
    token: signCall(),
    code: 'token_expired',
    verifier: verifyCalls({ clock: () => ISSUED_AT + 60 * SECOND, clockToleranceSeconds: 0 }),
  },
  { why: 'without expiry', token: signCall({ exp: undefined }), code: 'claim_invalid' },
  { why: 'of an expiry that is text', token: signCall({ exp: String(iat + 60) }), code: 'claim_invalid' },
  {
    why: 'of an expiry beyond numbers',
    token: signJwt(
      { alg: 'ES256', typ: 'at+jwt', kid: 'call-key' },
      JSON.stringify(CALL_CLAIMS).replace(`"exp":${iat + 60}`, '"exp":1e999'),
      CALL_KEY.privateKey,
    ),
    code: 'claim_invalid',
  },
  {
    why: 'issued in the future',
    token: signCall({ iat: iat + 6, nbf: undefined }),
    code: 'token_not_yet_valid',
    message: 'the token begins in 6 seconds',
  },
  { why: 'not valid yet', token: signCall({ nbf: iat + 6 }), code: 'token_not_yet_valid' },
  { why: 'without time of issue', token: signCall({ iat: undefined }), code: 'claim_invalid' },
  { why: 'of a beginning that is text', token: signCall({ nbf: 'now' }), code: 'claim_invalid' },
  {
    why: 'of a life beyond 300 seconds',
    token: signCall({ exp: iat + 301 }),
    code: 'claim_invalid',
    message: 'the token lives 301 seconds, a call token at most 300',
  },
  {
    why: 'that ends before it begins',
    token: signCall({ iat: iat + 4, nbf: iat, exp: iat + 3 }),
    code: 'claim_invalid',
  },
  { why: 'that ends when it begins', token: signCall({ exp: iat }), code: 'claim_invalid' },
  {
    why: 'of a base life beyond 24 hours',
    token: signBase({ exp: iat + 86_401 }),
    code: 'claim_invalid',
    verifier: verifyBase(),
  },
])

describeRefusals('the claims', [
  ...[
    'sub',
    'jti',
    'client_id',
    'act',
    'nbf',
    'authsec_grant',
    'authsec_delegation',
    'parent_jti',
    'authsec_audit',
    'txn',
    'permissions',
    'scope',
  ].map((claim) => ({
    why: `no ${claim}`,
    token: signCall({ [claim]: undefined }),
    code: 'claim_invalid',
    message: `missing or malformed: ${claim}`,
  })),
  ...['user_id', 'jti', 'agent_type', 'permissions', 'client_id', 'nbf'].map((claim) => ({
    why: `no ${claim} in a base token`,
    token: signBase({ [claim]: undefined }),
    code: 'claim_invalid',
    message: `missing or malformed: ${claim}`,
    verifier: verifyBase(),
  })),
  { why: 'an empty user', token: signCall({ sub: '' }), code: 'claim_invalid' },
  { why: 'a user that is an object', token: signCall({ sub: { toString: 'alice' } }), code: 'claim_invalid' },
  {
    why: 'a tool that is a list',
    token: signCall({ tool: ['get_customer_billing'] }),
    code: 'claim_invalid',
  },
  ...[
    { why: 'text', ancestors: 'base-1' },
    { why: 'a list with a number in it', ancestors: ['base-1', 1] },
    { why: 'a list with an empty one in it', ancestors: ['base-1', ''] },
  ].map(({ why, ancestors }) => ({
    why: `ancestors that are ${why}`,
    token: signCall({ authsec_ancestors: ancestors }),
    code: 'claim_invalid',
    message: 'missing or malformed: authsec_ancestors',
  })),
  { why: 'an unknown kind of grant', token: signCall({ authsec_grant: 'root' }), code: 'claim_invalid' },
  {
    why: 'several things wrong',
    token: signCall({ sub: 1, txn: null }),
    code: 'claim_invalid',
    message: 'missing or malformed: sub, txn',
  },
  {
    why: 'permissions that are text',
    token: signCall({ permissions: 'billing:read' }),
    code: 'claim_invalid',
  },
  {
    why: 'a permission that is a number',
    token: signCall({ permissions: [1], scope: '1' }),
    code: 'claim_invalid',
  },
  {
    why: 'a permission with a space in it',
    token: signCall({ permissions: ['billing:read profile:read'] }),
    code: 'claim_invalid',
  },
  { why: 'an empty permission', token: signCall({ permissions: [''], scope: '' }), code: 'claim_invalid' },
  {
    why: 'a scope wider than the permissions',
    token: signCall({ scope: 'billing:read billing:refund profile:read' }),
    code: 'claim_invalid',
    message: 'the claims "scope" and "permissions" are not the same',
  },
  {
    why: 'permissions wider than the scope',
    token: signCall({ permissions: ['billing:read', 'profile:read', 'billing:refund'] }),
    code: 'claim_invalid',
  },
  { why: 'an actor that is text', token: signCall({ act: AGENT }), code: 'claim_invalid' },
  {
    why: 'an actor that is a list',
    token: signCall({ act: [{ sub: AGENT, client_id: 'c1' }] }),
    code: 'claim_invalid',
  },
  { why: 'an actor without subject', token: signCall({ act: { client_id: 'c1' } }), code: 'claim_invalid' },
  { why: 'an actor without client id', token: signCall({ act: { sub: AGENT } }), code: 'claim_invalid' },
  ...['exp', 'nbf', 'aud'].map((claim) => ({
    why: `a former actor with ${claim}, which is of the token alone`,
    token: signCall({
      act: { sub: AGENT, client_id: 'c1', act: { sub: AGENT, client_id: 'c2', [claim]: 1 } },
    }),
    code: 'claim_invalid',
  })),
  {
    why: 'a former actor that is no object',
    token: signCall({ act: { sub: AGENT, client_id: 'c1', act: 'x' } }),
    code: 'claim_invalid',
  },
  {
    why: 'a chain of six',
    token: signCall({ act: nestActors(6), client_id: 'c6' }),
    code: 'claim_invalid',
    message: 'the chain has 6 actors, more than 5',
  },
  {
    why: 'a chain longer than this API accepts',
    token: signCall({ act: nestActors(2), client_id: 'c2' }),
    code: 'claim_invalid',
    verifier: verifyCalls({ maxChainDepth: 1 }),
  },
  {
    why: 'a client that is not the current actor',
    token: signCall({ client_id: 'c2' }),
    code: 'claim_invalid',
    message: 'the claims "act.client_id" and "client_id" are not the same',
  },
  {
    why: 'a client that has been an actor before',
    token: signCall({ act: nestActors(3), client_id: 'c2' }),
    code: 'claim_invalid',
  },
  { why: 'a bottomless chain', token: signCall({ act: nestActors(60) }), code: 'token_malformed' },
  {
    why: 'an agent that is no SPIFFE id',
    token: signBase({ sub: 'c1' }),
    code: 'claim_invalid',
    verifier: verifyBase(),
  },
  {
    why: 'an agent that is a list of one SPIFFE id',
    token: signBase({ sub: [AGENT] }),
    code: 'claim_invalid',
    verifier: verifyBase(),
  },
  {
    why: 'an audience with a number in a base token',
    token: signBase({ aud: [BILLING, 1] }),
    code: 'claim_invalid',
    verifier: verifyBase(),
  },
  {
    why: 'an audience that is no list in a base token',
    token: signBase({ aud: BILLING }),
    code: 'claim_invalid',
    verifier: verifyBase(),
  },
])
