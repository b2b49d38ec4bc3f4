import { AuthsecError } from '../core/errors.js'
import { parseJwt } from '../core/jwt.js'
import { quote } from '../core/printable.js'
import { parseServerUrl } from '../core/server-url.js'
import { ALGORITHMS, type Algorithm } from '../verify/algorithm.js'
import { type Check, type Presented, show } from '../verify/check.js'
import { audience, expiry, issuer as sameIssuer, start } from '../verify/claim-checks.js'
import { fetchJson } from '../verify/fetch-json.js'
import { algorithm, canMeanKey, header, signature } from '../verify/header-checks.js'
import type { Inspection, JsonWebKeySet } from '../verify/index.js'
import { reportChecks } from '../verify/inspection.js'
import { normalizeType, PROFILES } from '../verify/profile.js'
import { readOptions } from '../verify/settings.js'
import { signatures } from '../verify/signature.js'
import { createTrustSource } from '../verify/trust.js'

/** How a JWT is measured that is no delegation token, such as one of a CI system. */
export interface ForeignExpectation {
  /** Whose tokens are believed; undefined: nobody's. */
  issuer: string | undefined
  keys: URL | JsonWebKeySet | 'discovered' | 'none'
  audience: readonly string[]
  algorithms: readonly Algorithm[]
  leewaySeconds: number
  /** Milliseconds since the epoch. */
  clock: () => number
  fetch: typeof fetch
}

/** Whoever has no `iat` only begins with `nbf`, and may say neither (RFC 7519 §4.1). */
const begin: Check = {
  ...start,
  skip: ({ claims }) => ('iat' in claims || 'nbf' in claims ? undefined : 'it does not say'),
  refuse: (token) => start.refuse(withBegin(token)),
  describe: (token) => start.describe(withBegin(token)),
}

const CHECKS: readonly Check[] = [algorithm, header, sameIssuer, audience, expiry, begin, signature]
/** Where nobody is believed, whoever a token names is the wrong one. */
const unbelieved: Check = {
  ...sameIssuer,
  refuse: ({ claims }) =>
    new AuthsecError('issuer_mismatch', `the issuer is ${show(claims['iss'])}, whom nobody here believes`),
}
/** What can be told where there are no keys to look at, because of the issuer. */
function listKeyless(issuer: Check, why: string): readonly Check[] {
  return [algorithm, header, issuer, audience, expiry, begin, { ...signature, skip: () => why }]
}

/**
 * Makes the checks that hold for every JWT (RFC 7519 §7.2, RFC 8725 §3) and reports all of them. Throws what asking
 * the issuer for its keys throws.
 */
export async function inspectForeignToken(token: string, expected: ForeignExpectation): Promise<Inspection> {
  const jwt = parseJwt(token)
  const { issuer, keys, audience, leewaySeconds, clock, fetch } = expected
  const jwks = issuer !== undefined && keys === 'discovered' ? await discoverKeys(issuer, fetch) : keys
  const settings = readOptions({
    issuer: issuer ?? 'urn:authsec:nobody',
    jwks: typeof jwks === 'string' ? new URL('https://nobody.invalid') : jwks,
    audience,
    algorithms:
      expected.algorithms.length > 0 ? expected.algorithms : ([...ALGORITHMS.keys()] as Algorithm[]),
    clockToleranceSeconds: leewaySeconds,
    clock,
    fetch,
  })
  const trust = (await createTrustSource(settings).learn()).get('call')
  if (trust === undefined) throw new Error('there is trust for every profile')
  const presented: Presented = {
    header: jwt.header,
    claims: jwt.claims,
    // Of the profile only this is looked at: the type is any, and a key is named or the only one.
    profile: {
      ...PROFILES.call,
      types: [normalizeType(jwt.header['typ'])],
      namesKey: typeof jwt.header['kid'] === 'string',
    },
    trust,
    settings,
    expect: {},
    now: clock() / 1000,
    isSigned: undefined,
  }
  if (issuer === undefined) {
    return reportChecks(presented, listKeyless(unbelieved, 'nobody is believed who could have made it'))
  }
  if (keys === 'none')
    return reportChecks(presented, listKeyless(sameIssuer, 'the token is of another issuer'))
  if (canMeanKey(presented)) {
    const { kid, alg } = jwt.header
    const query = { id: typeof kid === 'string' ? kid : undefined, algorithm: alg as Algorithm }
    const key = await trust.keys.find(query)
    presented.isSigned =
      key !== undefined &&
      (await signatures.verify(query.algorithm, key.publicKey, jwt.signingInput, jwt.signature))
  }
  return reportChecks(presented, CHECKS)
}

/**
 * The key set of an issuer, OpenID Connect Discovery §4 and RFC 8414 §3; throws `network`, `timed_out`, `server_error`.
 */
async function discoverKeys(issuer: string, fetch: typeof globalThis.fetch): Promise<URL> {
  const url = parseServerUrl(issuer)
  const path = url.pathname.replace(/\/$/, '')
  const places = [
    `${path}/.well-known/openid-configuration`,
    `/.well-known/oauth-authorization-server${path}`,
  ]
  let failure: unknown
  for (const place of places) {
    try {
      const { document } = await fetchJson(new URL(place, url), fetch)
      const { issuer: named, jwks_uri: keys } = document
      if (typeof named !== 'string' || typeof keys !== 'string') {
        throw new AuthsecError('server_error', `${url.origin} does not name itself and its key set`)
      }
      // Discovery §4.3: the document has to be that of this very issuer.
      if (named !== issuer) {
        throw new AuthsecError('server_error', `${url.origin} calls itself ${quote(named)}`, {
          hint: 'Give the issuer exactly as it stands in iss.',
        })
      }
      return parseServerUrl(keys)
    } catch (error) {
      failure ??= error
    }
  }
  throw failure
}

function withBegin(token: Presented): Presented {
  const { claims } = token
  return { ...token, claims: { ...('nbf' in claims && { iat: claims['nbf'] as never }), ...claims } }
}
