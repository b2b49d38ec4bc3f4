import { createHmac } from 'node:crypto'
import { describeRefusals, verifyBase, verifyCalls } from '../support/refused-tokens.js'
import {
  BASE_KEY,
  CALL_CLAIMS,
  CALL_KEY,
  createKey,
  signBase,
  signCall,
  signJwt,
} from '../support/token-issuer.js'

const [headerPart, claimsPart, signaturePart] = signCall().split('.') as [string, string, string]
const flipped = (part: string) => `${part[0] === 'A' ? 'B' : 'A'}${part.slice(1)}`
const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')

describeRefusals('the form', [
  { why: 'empty', token: '', code: 'token_malformed' },
  { why: 'garbage', token: 'garbage', code: 'token_malformed' },
  { why: 'two parts', token: `${headerPart}.${claimsPart}`, code: 'token_malformed' },
  { why: 'no signature', token: `${headerPart}.${claimsPart}.`, code: 'token_malformed' },
  { why: 'five parts', token: 'a.b.c.d.e', code: 'token_malformed' },
  { why: 'padding', token: `${signCall()}==`, code: 'token_malformed' },
  { why: 'a space', token: ` ${signCall()}`, code: 'token_malformed' },
  { why: 'a line break', token: `${signCall()}\n`, code: 'token_malformed' },
  {
    why: 'base64 instead of base64url',
    token: `${headerPart}.${claimsPart}.+/${signaturePart}`,
    code: 'token_malformed',
  },
  {
    why: 'a member that stands twice',
    token: signJwt('{"alg":"ES256","alg":"ES256"}', '{}', CALL_KEY.privateKey),
    code: 'token_malformed',
  },
  {
    why: 'a claim that stands twice',
    token: signJwt({ alg: 'ES256' }, '{"sub":"alice","sub":"bob"}', CALL_KEY.privateKey),
    code: 'token_malformed',
  },
  {
    why: 'claims that are a list',
    token: signJwt({ alg: 'ES256' }, '[]', CALL_KEY.privateKey),
    code: 'token_malformed',
  },
  { why: '8 KiB and one character', token: signCall({ pad: 'x'.repeat(8192) }), code: 'token_malformed' },
  { why: '10 MB', token: 'x'.repeat(10_000_000), code: 'token_malformed' },
  {
    why: 'no text',
    token: undefined as unknown as string,
    code: 'token_malformed',
    message: 'the token is not a text',
  },
])

describeRefusals('the signature and its header', [
  {
    why: 'the algorithm none',
    token: signCall({}, { alg: 'none' }),
    code: 'algorithm_rejected',
    message: 'the algorithm is "none", allowed is ES256, RS256',
  },
  {
    why: 'the algorithm none, unsigned',
    token: `${signCall({}, { alg: 'none' }).split('.').slice(0, 2).join('.')}.AA`,
    code: 'algorithm_rejected',
  },
  {
    why: 'no algorithm',
    token: signCall({}, { alg: undefined }),
    code: 'algorithm_rejected',
    message: 'the algorithm is missing, allowed is ES256, RS256',
  },
  {
    why: 'an algorithm that is no text',
    token: signCall({}, { alg: ['ES256'] }),
    code: 'algorithm_rejected',
  },
  {
    why: 'an algorithm named like a member of every object',
    token: signCall({}, { alg: 'constructor' }),
    code: 'algorithm_rejected',
  },
  {
    why: 'HS256 made of the public key',
    token: signHmac(JSON.stringify(CALL_KEY.jwk)),
    code: 'algorithm_rejected',
  },
  {
    why: 'an algorithm that is not allowed here',
    token: signCall(),
    code: 'algorithm_rejected',
    verifier: verifyCalls({ algorithms: ['RS256'] }),
  },
  {
    why: 'an algorithm that the key is not for',
    token: signCall({}, { alg: 'RS256' }),
    code: 'signature_invalid',
    message: 'no trusted key made the signature',
  },
  ...['crit', 'jku', 'jwk', 'x5u', 'x5c'].map((member) => ({
    why: `the header member ${member}`,
    token: signCall({}, { [member]: 'https://evil.example' }),
    code: 'signature_invalid',
    message: `the header has a member "${member}", which is never followed`,
  })),
  { why: 'no key id', token: signCall({}, { kid: undefined }), code: 'signature_invalid' },
  { why: 'a key id that is no text', token: signCall({}, { kid: 7 }), code: 'signature_invalid' },
  {
    why: 'an unknown key id',
    token: signCall({}, { kid: 'other' }),
    code: 'signature_invalid',
    message: 'no trusted key made the signature',
  },
  {
    why: 'the key of somebody else',
    token: signJwt(
      { alg: 'ES256', typ: 'at+jwt', kid: 'call-key' },
      CALL_CLAIMS,
      createKey('ES256').privateKey,
    ),
    code: 'signature_invalid',
    message: 'no trusted key made the signature',
  },
  {
    why: 'a bit flipped in the header',
    token: `${flipped(headerPart)}.${claimsPart}.${signaturePart}`,
    code: 'token_malformed',
  },
  {
    why: 'a bit flipped in the claims',
    token: `${headerPart}.${encode({ ...CALL_CLAIMS, jti: 'call-0' })}.${signaturePart}`,
    code: 'signature_invalid',
  },
  {
    why: 'a bit flipped in the signature',
    token: `${headerPart}.${claimsPart}.${flipped(signaturePart)}`,
    code: 'signature_invalid',
  },
  {
    why: 'a signature that is too short',
    token: `${headerPart}.${claimsPart}.AAAA`,
    code: 'signature_invalid',
  },
  {
    why: 'a signature of zeros',
    token: `${headerPart}.${claimsPart}.${'A'.repeat(86)}`,
    code: 'signature_invalid',
  },
])

describeRefusals('the type', [
  {
    why: 'the type JWT',
    token: signCall({}, { typ: 'JWT' }),
    code: 'type_mismatch',
    message: 'the type is "JWT", not that of a call token',
  },
  {
    why: 'no type',
    token: signCall({}, { typ: undefined }),
    code: 'type_mismatch',
    message: 'the type is missing, not that of a call token',
  },
  { why: 'a type that is no text', token: signCall({}, { typ: ['at+jwt'] }), code: 'type_mismatch' },
  { why: 'a base token', token: signBase(), code: 'type_mismatch' },
  {
    why: 'a call token where base tokens are expected',
    token: signCall({}, { alg: 'RS256' }),
    code: 'type_mismatch',
    verifier: verifyBase(),
  },
])

describeRefusals('the key of a base token', [
  {
    why: 'a key id',
    token: signBase({}, { kid: 'default' }),
    code: 'signature_invalid',
    verifier: verifyBase(),
  },
  {
    why: 'another algorithm',
    token: signJwt({ alg: 'ES256', typ: 'JWT' }, {}, CALL_KEY.privateKey),
    code: 'algorithm_rejected',
    message: 'the algorithm is "ES256", allowed is RS256',
    verifier: verifyBase(),
  },
  {
    why: 'the issuer of another tenant',
    token: signBase({ iss: 'spiffe://other' }),
    code: 'issuer_mismatch',
    verifier: verifyBase(),
  },
  {
    why: 'the name of another tenant',
    token: signBase({ tenant_id: 'other' }),
    code: 'tenant_mismatch',
    verifier: verifyBase(),
  },
  {
    why: 'two keys to choose from',
    token: signBase(),
    code: 'signature_invalid',
    verifier: verifyBase({ jwks: { keys: [BASE_KEY.jwk, createKey('RS256').jwk] } }),
  },
  {
    why: 'another key',
    token: signBase(),
    code: 'signature_invalid',
    verifier: verifyBase({ jwks: { keys: [createKey('RS256').jwk] } }),
  },
])

function signHmac(secret: string): string {
  const [header, claims] = signCall({}, { alg: 'HS256' }).split('.') as [string, string]
  const signature = createHmac('sha256', secret).update(`${header}.${claims}`).digest('base64url')
  return `${header}.${claims}.${signature}`
}
