import * as crypto from 'node:crypto'
import { generateKeyPairSync, type KeyPairKeyObjectResult } from 'node:crypto'
import { CompactSign, exportJWK } from 'jose'
import { describe, expect, test } from 'vitest'
import { ALGORITHMS, type Algorithm, type AlgorithmTraits } from '../../src/verify/algorithm.js'
import type { PublicJwk, PublicKey, Signatures } from '../../src/verify/public-key.js'
import { signatures } from '../../src/verify/signature.js'
import { createNodeSignatures } from '../../src/verify/signature-node.js'
import { webSignatures } from '../../src/verify/signature-web.js'

const RUNTIMES: Readonly<Record<string, Signatures>> = {
  Node: createNodeSignatures(crypto),
  'the Web': webSignatures,
}

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
    jwk: (await exportJWK(publicKey)) as PublicJwk,
    input: `${header}.${body}`,
    signature: Buffer.from(signature, 'base64url'),
  }
}

describe.each(Object.keys(RUNTIMES))('on %s', (runtime) => {
  const { importPublicKey, verify } = RUNTIMES[runtime] as Signatures
  const importKey = (jwk: PublicJwk) => importPublicKey(jwk) as PublicKey

  describe.each([...ALGORITHMS.keys()] as Algorithm[])('%s', (algorithm) => {
    test('verifies what jose has signed, and nothing else', async () => {
      const { jwk, input, signature } = await sign(algorithm)
      const key = importKey(jwk)
      expect(await verify(algorithm, key, input, signature)).toBe(true)
      expect(await verify(algorithm, key, `${input}x`, signature)).toBe(false)
      const other = await sign(algorithm, '{"sub":"bob"}')
      expect(await verify(algorithm, key, input, other.signature)).toBe(false)
    })

    test.each([
      { what: 'is empty', change: () => new Uint8Array() },
      { what: 'is all zeros', change: (signature: Uint8Array) => new Uint8Array(signature.length) },
      { what: 'lacks a byte', change: (signature: Uint8Array) => signature.subarray(1) },
      {
        what: 'has a byte more',
        change: (signature: Uint8Array) => Buffer.concat([signature, Buffer.of(0)]),
      },
      { what: 'is all ones', change: (signature: Uint8Array) => new Uint8Array(signature.length).fill(255) },
    ])('refuses a signature that $what', async ({ change }) => {
      const { jwk, input, signature } = await sign(algorithm)
      expect(await verify(algorithm, importKey(jwk), input, change(signature))).toBe(false)
    })
  })

  test('an RS256 signature is no PS256 signature of the same key', async () => {
    const { jwk, input, signature } = await sign('RS256')
    const key = importKey(jwk)
    expect(await verify('RS256', key, input, signature)).toBe(true)
    expect(await verify('PS256', key, input, signature)).toBe(false)
  })

  test.each(['RS256', 'PS256'] as const)(
    'an %s signature keeps the zero that it begins with',
    async (algorithm) => {
      let signed = await sign(algorithm)
      for (let n = 0; signed.signature[0] !== 0; n++) signed = await sign(algorithm, `{"n":${n}}`)
      const { jwk, input, signature } = signed
      expect(await verify(algorithm, importKey(jwk), input, signature)).toBe(true)
      expect(await verify(algorithm, importKey(jwk), input, signature.subarray(1))).toBe(false)
    },
  )

  test('a key off its curve verifies nothing', async () => {
    const { jwk, input, signature } = await sign('ES256')
    const key = importPublicKey({ ...jwk, x: jwk.y as string })
    expect(key !== undefined && (await verify('ES256', key, input, signature))).toBe(false)
  })
})

test('a runtime of Node uses its own module, which does not make anybody wait', () => {
  expect(signatures.synchronous).toBe(true)
  expect(webSignatures.synchronous).toBe(false)
})
