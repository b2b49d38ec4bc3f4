import { encodeBase64url } from '../core/base64url.js'
import type { Sha256 } from '../core/merkle.js'
import { sha256 as sha256WithoutNode } from '../core/sha256.js'
import { nodeCrypto } from './node-crypto.js'

/** SHA-256 at once, in every runtime. */
export const sha256: Sha256 =
  nodeCrypto === undefined
    ? sha256WithoutNode
    : (bytes) => (nodeCrypto as typeof import('node:crypto')).createHash('sha256').update(bytes).digest()

/** A short name of a text that says nothing of it. */
export const fingerprint: (text: string) => string =
  nodeCrypto?.hash === undefined
    ? (text) => encodeBase64url(sha256(new TextEncoder().encode(text)))
    : (text) => (nodeCrypto as typeof import('node:crypto')).hash('sha256', text, 'base64')
