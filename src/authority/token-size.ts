import { AuthsecError, type ErrorCode } from '../core/errors.js'
import { MAX_JWT_LENGTH } from '../core/jwt.js'

/** The claims that can make a token long, how their refusal is called, and what to ask less of. */
const CAUSES: readonly { names: readonly string[]; code: ErrorCode; hint: string }[] = [
  {
    names: ['scope', 'permissions'],
    code: 'invalid_scope',
    hint: 'Ask for fewer permissions: in the scope of an exchange, in the policy of a delegation, in the roles of a login.',
  },
  { names: ['aud'], code: 'invalid_target', hint: 'Name fewer audiences, or shorter ones.' },
]

const OTHER_CAUSE = { names: [], code: 'invalid_request', hint: 'Ask with fewer or shorter values.' } as const

/**
 * Holds what has been signed to what every part of the project reads: nobody could check a longer token, exchange it or
 * hand it in to be revoked. One that a former version has signed is revoked by its id. Throws `invalid_scope`,
 * `invalid_target` or `invalid_request`, after what takes most room in it.
 */
export function assertTokenSize(token: string, claims: object): void {
  if (token.length <= MAX_JWT_LENGTH) return
  const { code, hint } = findCause(claims)
  throw new AuthsecError(
    code,
    `the token would have ${token.length} characters, more than ${MAX_JWT_LENGTH}`,
    { hint },
  )
}

function findCause(claims: object): (typeof CAUSES)[number] {
  const sizes = new Map<(typeof CAUSES)[number], number>()
  for (const [name, value] of Object.entries(claims)) {
    const cause = CAUSES.find(({ names }) => names.includes(name)) ?? OTHER_CAUSE
    sizes.set(cause, (sizes.get(cause) ?? 0) + (JSON.stringify(value)?.length ?? 0))
  }
  const [largest] = [...sizes].sort(([, one], [, other]) => other - one)
  return largest?.[0] ?? OTHER_CAUSE
}
