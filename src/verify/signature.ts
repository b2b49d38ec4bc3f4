import { nodeCrypto } from './node-crypto.js'
import type { Signatures } from './public-key.js'
import { createNodeSignatures } from './signature-node.js'
import { webSignatures } from './signature-web.js'

/** Signatures by whatever this runtime does best. */
export const signatures: Signatures =
  nodeCrypto === undefined ? webSignatures : createNodeSignatures(nodeCrypto)
