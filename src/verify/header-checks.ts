import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { type Check, type Presented, show } from './check.js'
import { normalizeType } from './profile.js'

const REFUSED_MEMBERS = ['crit', 'jku', 'jwk', 'x5u', 'x5c']

/** `alg` is on the list of the verifier (RFC 8725 §3.1), on which `none` and HS* cannot be. */
export const algorithm: Check = {
  name: 'algorithm',
  refuse({ header, profile, settings }) {
    const allowed: readonly unknown[] = profile.algorithms ?? settings.algorithms
    if (allowed.includes(header['alg'])) return undefined
    return new AuthsecError(
      'algorithm_rejected',
      `the algorithm is ${show(header['alg'])}, allowed is ${allowed.join(', ')}`,
    )
  },
  describe: ({ header }) => String(header['alg']),
}

/** The header neither brings a key of its own nor demands an extension that is not understood (RFC 7515 §4.1). */
export const header: Check = {
  name: 'header',
  refuse({ header }) {
    const refused = REFUSED_MEMBERS.find((member) => member in header)
    if (refused === undefined) return undefined
    return new AuthsecError(
      'signature_invalid',
      `the header has a member "${refused}", which is never followed`,
    )
  },
  describe: () => 'follows nothing',
}

/** `typ` is that of the profile, so that no other kind of JWT is taken for a delegation (RFC 8725 §3.11). */
export const type: Check = {
  name: 'type',
  refuse({ header, profile }) {
    if (profile.types.includes(normalizeType(header['typ']))) return undefined
    return new AuthsecError(
      'type_mismatch',
      `the type is ${show(header['typ'])}, not that of a ${profile.name} token`,
      {
        hint: 'An API accepts call tokens; exchange a base token for one first.',
      },
    )
  },
  describe: ({ profile }) => `${profile.name} token`,
}

/** The header names a key where the issuer has several, and none where it has only one. */
export const key: Check = {
  name: 'key',
  skip: (token) => (type.refuse(token) === undefined ? undefined : 'the type is not accepted'),
  refuse({ header, profile }) {
    if (profile.namesKey) {
      if (typeof header['kid'] === 'string') return undefined
      return new AuthsecError('signature_invalid', 'the header does not name the key of the signature')
    }
    if (!('kid' in header)) return undefined
    return new AuthsecError('signature_invalid', 'the header names a key, as that of a base token never does')
  },
  describe: ({ header, profile }) => (profile.namesKey ? quote(header['kid']) : 'the only one of the tenant'),
}

/** The key that the header names made the signature (RFC 7515 §5.2); the key itself is bound to its algorithms. */
export const signature: Check = {
  name: 'signature',
  skip: (token) => (canMeanKey(token) ? undefined : 'no key can be meant by this header'),
  refuse({ isSigned }) {
    if (isSigned === true) return undefined
    // The same words for an unknown key and a bad signature: they tell nobody which keys exist.
    return new AuthsecError('signature_invalid', 'no trusted key made the signature')
  },
  describe: () => 'made by a trusted key',
}

/** Whether the header is such that a key may be looked for. */
export function canMeanKey(token: Presented): boolean {
  return [algorithm, type, key].every((check) => check.refuse(token) === undefined)
}
