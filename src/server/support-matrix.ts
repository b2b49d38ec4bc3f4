import type { AnyEndpoint } from './endpoint.js'

/** One endpoint of the support matrix. */
export interface SupportRow
  extends Pick<
    AnyEndpoint,
    'method' | 'paths' | 'access' | 'modes' | 'speaks' | 'summary' | 'differences' | 'quirk'
  > {}

/** What somebody may look for and not find. */
export interface AbsentRow {
  what: string
  /** Whose it is; a draft with the revision that was read. */
  speaks: string
  /** Why, and what there is instead. */
  reason: string
}

/** Everything the server serves and does not serve. */
export interface Support {
  endpoints: readonly SupportRow[]
  absent: readonly AbsentRow[]
}

/** What is deliberately not served. Whatever of it can be asked for is refused, and none of it is advertised. */
const ABSENT: readonly AbsentRow[] = [
  {
    what: 'authorization code, PKCE, pushed requests',
    speaks: 'RFC 6749 §4.1, RFC 7636, RFC 9126',
    reason: 'People let programs in on the activation page or by CIBA. unsupported_grant_type.',
  },
  {
    what: 'refresh tokens',
    speaks: 'RFC 6749 §6',
    reason: 'Tokens live seconds and are exchanged anew. unsupported_grant_type.',
  },
  {
    what: 'password grant',
    speaks: 'RFC 6749 §4.3',
    reason: 'RFC 9700 §2.4 forbids it. unsupported_grant_type.',
  },
  {
    what: 'DPoP',
    speaks: 'RFC 9449',
    reason:
      'Call binding ties a token to its call. A proof is refused: invalid_request, never an unbound token.',
  },
  { what: 'certificate-bound tokens', speaks: 'RFC 8705', reason: 'A proxy terminates TLS. Not advertised.' },
  {
    what: 'ID tokens, userinfo, logout of people',
    speaks: 'OpenID Connect Core 1.0',
    reason: 'This server lets agents act; it logs nobody in elsewhere.',
  },
  {
    what: 'ID-JAG',
    speaks: 'draft-ietf-oauth-identity-assertion-authz-grant-04',
    reason:
      'AuthSec B issues it. jwt-bearer takes identity tokens of jobs, by a trust rule: else invalid_grant.',
  },
  {
    what: 'transaction tokens',
    speaks: 'draft-ietf-oauth-transaction-tokens-10, draft-araut-oauth-transaction-tokens-for-agents-02',
    reason: 'Call tokens carry txn and act; the token type is not offered.',
  },
  {
    what: 'requested_actor at an authorization endpoint',
    speaks: 'draft-oauth-ai-agents-on-behalf-of-user-02',
    reason: 'Expired, and there is no authorization endpoint.',
  },
  {
    what: 'attestation-based client authentication',
    speaks: 'draft-ietf-oauth-attestation-based-client-auth-10',
    reason: 'Clients prove themselves with a secret or a key.',
  },
  {
    what: 'shared signals',
    speaks: 'OpenID CAEP 1.0, RFC 8417',
    reason: 'What is revoked is inactive at introspection at once.',
  },
  {
    what: 'X.509-SVIDs, node attestation, workload entries',
    speaks: 'AuthSec A',
    reason: 'No workload API lies behind agents; their JWT-SVIDs are served.',
  },
  {
    what: 'SVIDs of end users with their keys and discovery, exchange for cloud credentials',
    speaks: 'AuthSec A',
    reason:
      'Their keys (/authsec/.well-known/jwks.json) verify no delegation token: the bundle of the tenant does.',
  },
  {
    what: 'SDK manager, agent audit, shipping of logs',
    speaks: 'AuthSec A',
    reason: 'Nothing of users runs on this server; what agents did is read from the one audit log.',
  },
  {
    what: 'applications, service accounts',
    speaks: 'AuthSec B',
    reason: 'Agents are registered as clients, as A has them, or dynamically (RFC 7591).',
  },
  {
    what: 'second factors, onboarding, password reset',
    speaks: 'AuthSec A',
    reason: 'An admin adds users and sets their passwords; a login never asks for more than a password.',
  },
  {
    what: 'SCIM, SCIM tokens, login by another provider',
    speaks: 'AuthSec A',
    reason: 'Tokens of a year that nobody can revoke are not imitated.',
  },
  {
    what: 'registered CIBA devices, TOTP login',
    speaks: 'AuthSec A',
    reason: 'People answer at /requests and /respond; --ciba answers for them in mode dev.',
  },
]

/** The matrix of a list of endpoints, a row for each. */
export function describeSupport(endpoints: readonly AnyEndpoint[]): Support {
  return {
    endpoints: endpoints.map(({ method, paths, access, modes, speaks, summary, differences, quirk }) => ({
      method,
      paths,
      access,
      modes,
      speaks,
      summary,
      ...(differences !== undefined && { differences }),
      ...(quirk !== undefined && { quirk }),
    })),
    absent: ABSENT,
  }
}
