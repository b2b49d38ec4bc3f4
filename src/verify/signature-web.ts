import { isModulusLong } from '../core/rsa-signature.js'
import { ALGORITHMS, type Algorithm, type AlgorithmTraits } from './algorithm.js'
import type { PublicJwk, Signatures } from './public-key.js'

type PlatformKey = Awaited<ReturnType<typeof crypto.subtle.importKey>>

/** A key as it was published, and what the platform has made of it: WebCrypto binds each import to one algorithm. */
interface WebPublicKey {
  jwk: PublicJwk
  imported: Map<Algorithm, Promise<PlatformKey | undefined>>
}

const utf8 = new TextEncoder()

/** Signatures by WebCrypto, for runtimes without Node's module. A key that is none shows at its first use. */
export const webSignatures: Signatures = {
  synchronous: false,

  importPublicKey: (jwk) => ({ jwk, imported: new Map() }) satisfies WebPublicKey,

  async verify(algorithm, key, signingInput, signature) {
    const { jwk, imported } = key as WebPublicKey
    const traits = ALGORITHMS.get(algorithm) as AlgorithmTraits
    const parameters = describeAlgorithm(traits)
    const pending = imported.get(algorithm) ?? importKey(jwk, parameters)
    imported.set(algorithm, pending)
    const platformKey = await pending
    if (platformKey === undefined) return false
    const { modulusLength } = platformKey.algorithm as { modulusLength?: number }
    if (traits.pss && !isModulusLong(signature, modulusLength)) return false
    // A copy: WebCrypto's types do not take bytes that could be shared with another thread.
    return crypto.subtle.verify(
      parameters,
      platformKey,
      Uint8Array.from(signature),
      utf8.encode(signingInput),
    )
  },
}

async function importKey(
  { ...jwk }: PublicJwk,
  parameters: ReturnType<typeof describeAlgorithm>,
): Promise<PlatformKey | undefined> {
  try {
    return await crypto.subtle.importKey('jwk', jwk, parameters, false, ['verify'])
  } catch {
    return undefined
  }
}

/** An algorithm in the words of WebCrypto, for the import and the verification alike. */
function describeAlgorithm({ kty, crv = '', digest, pss }: AlgorithmTraits) {
  // RFC 7518 §3.5: a PSS salt is as long as the hash.
  const saltLength = Number(digest?.slice(3) ?? 0) / 8
  const hash = digest?.replace('sha', 'SHA-') ?? ''
  if (kty === 'OKP') return { name: crv }
  if (kty === 'EC') return { name: 'ECDSA', namedCurve: crv, hash }
  return { name: pss ? 'RSA-PSS' : 'RSASSA-PKCS1-v1_5', hash, saltLength }
}
