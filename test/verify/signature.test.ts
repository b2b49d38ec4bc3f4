import { generateKeyPairSync, type KeyPairKeyObjectResult } from 'node:crypto'
import { CompactSign, exportJWK } from 'jose'
import { describe, expect, test } from 'vitest'
import { ALGORITHMS, type Algorithm, type AlgorithmTraits } from '../../src/verify/algorithm.js'
import {
  importPublicKey,
  type PublicJwk,
  type PublicKey,
  verifySignature,
} from '../../src/verify/signature.js'

// One pair for all RSA algorithms: generating them is slow.
const PAIRS: Readonly<Record<string, KeyPairKeyObjectResult>> = {
  RSA: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  'P-256': generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  'P-384': generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  'P-521': generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  Ed25519: generateKeyPairSync('ed25519'),
}

/** A payload signed by jose, taken apart as the verifier gets it. */
async function sign(algorithm: Algorithm, payload = '{}') {
  const { kty, crv } = ALGORITHMS.get(algorithm) as AlgorithmTraits
  const { privateKey, publicKey } = PAIRS[crv ?? kty] as KeyPairKeyObjectResult
  const token = await new CompactSign(Buffer.from(payload))
    .setProtectedHeader({ alg: algorithm })
    .sign(privateKey)
  const [header, body, signature] = token.split('.') as [string, string, string]
  return {
    key: importPublicKey((await exportJWK(publicKey)) as PublicJwk) as PublicKey,
    input: `${header}.${body}`,
    signature: Buffer.from(signature, 'base64url'),
  }
}

describe.each([...ALGORITHMS.keys()] as Algorithm[])('%s', (algorithm) => {
  test('verifies what jose has signed, and nothing else', async () => {
    const { key, input, signature } = await sign(algorithm)
    expect(verifySignature(algorithm, key, input, signature)).toBe(true)
    expect(verifySignature(algorithm, key, `${input}x`, signature)).toBe(false)
    const other = await sign(algorithm, '{"sub":"bob"}')
    expect(verifySignature(algorithm, key, input, other.signature)).toBe(false)
  })

  test.each([
    { what: 'is empty', change: () => new Uint8Array() },
    { what: 'is all zeros', change: (signature: Uint8Array) => new Uint8Array(signature.length) },
    { what: 'lacks a byte', change: (signature: Uint8Array) => signature.subarray(1) },
    { what: 'has a byte more', change: (signature: Uint8Array) => Buffer.concat([signature, Buffer.of(0)]) },
    { what: 'is all ones', change: (signature: Uint8Array) => new Uint8Array(signature.length).fill(255) },
  ])('refuses a signature that $what', async ({ change }) => {
    const { key, input, signature } = await sign(algorithm)
    expect(verifySignature(algorithm, key, input, change(signature))).toBe(false)
  })
})

test('an RS256 signature is no PS256 signature of the same key', async () => {
  const { key, input, signature } = await sign('RS256')
  expect(verifySignature('RS256', key, input, signature)).toBe(true)
  expect(verifySignature('PS256', key, input, signature)).toBe(false)
})
