import { AuthsecError } from '../core/errors.js'
import type { Json } from '../core/strict-json.js'
import type { Presented } from './check.js'
import { isOneTime, permissions as permissionsCheck } from './demand-checks.js'
import { isPermissionList } from './expectation.js'
import type { IssuerClient } from './issuer-client.js'
import type { Settings } from './settings.js'

/**
 * The last questions about a token that has passed every check, which somebody else has to answer: whether it is
 * still alive, and whether it was used before. No answer is a no.
 */
export interface Admission {
  /** Why `admitSync` cannot be had with these options; undefined where it can. */
  readonly waitsFor: string | undefined
  /**
   * Returns the token, with what it is worth now where the server says less. Throws `token_inactive`, `replayed`, and
   * what makes an answer impossible: `temporarily_unavailable`, `network`, `timed_out`, `server_error`.
   */
  admit(token: string, presented: Presented): Promise<Presented>
  admitSync(presented: Presented): void
}

/** How much longer than a token lives its use is remembered, in seconds: clocks of several verifiers differ. */
const MEMORY_MARGIN = 30

/** `server` answers what the options have it asked. */
export function createAdmission(
  { replay, introspect, onEvent }: Settings,
  server: IssuerClient | undefined,
): Admission {
  async function isNew(token: string, presented: Presented): Promise<boolean> {
    if (replay === 'server') return (server as IssuerClient).consume(token)
    return replay !== undefined && (await replay.add(...describeUse(presented))) === true
  }

  async function introspectToken(token: string, presented: Presented): Promise<Presented> {
    const answer = await (server as IssuerClient).introspect(token)
    if (answer === undefined) throw new AuthsecError('token_inactive', 'the token is no longer alive')
    const { permissions } = answer
    if (!isPermissionList(permissions)) return presented
    return narrow(presented, permissions)
  }

  // What could not be answered is told to whoever runs the API, and the token is not accepted.
  function report(type: 'replay.unavailable' | 'introspection.unavailable', presented: Presented) {
    return (error: unknown): never => {
      if (AuthsecError.is(error) && !error.retryable) throw error
      const unknown = AuthsecError.is(error) ? error : describeSilence(error)
      onEvent({ type, jti: String(presented.claims['jti']), code: unknown.code })
      throw unknown
    }
  }

  return {
    waitsFor: introspect
      ? 'introspection'
      : typeof replay === 'object' && replay.synchronous !== true
        ? 'its replay store'
        : replay === 'server'
          ? 'the server'
          : undefined,

    async admit(token, presented) {
      const { claims } = presented
      const admitted = introspect?.(claims as never)
        ? await introspectToken(token, presented).catch(report('introspection.unavailable', presented))
        : presented
      // The last of all: whatever is refused for another reason can still be used.
      if (isOneTime(claims)) {
        assertNew(await isNew(token, presented).catch(report('replay.unavailable', presented)))
      }
      return admitted
    },

    admitSync(presented) {
      if (!isOneTime(presented.claims)) return
      try {
        assertNew(typeof replay === 'object' && replay.add(...describeUse(presented)) === true)
      } catch (error) {
        report('replay.unavailable', presented)(error)
      }
    },
  }
}

function describeUse({ claims, now, settings }: Presented): [key: string, ttlSeconds: number] {
  const expiry = Number(claims['exp']) + settings.clockToleranceSeconds.oneTime + MEMORY_MARGIN
  return [`${claims['jti']}|${claims['iss']}`, Math.ceil(expiry - now)]
}

// Never more than the token says, whatever the server answers.
function narrow(presented: Presented, worth: readonly string[]): Presented {
  const held = presented.claims['permissions'] as string[]
  const left = held.filter((permission) => worth.includes(permission))
  if (left.length === held.length) return presented
  const claims: Record<string, Json> = { ...presented.claims, permissions: left, scope: left.join(' ') }
  const narrowed = { ...presented, claims: Object.freeze(claims) }
  const refusal = permissionsCheck.refuse(narrowed)
  if (refusal !== undefined) throw refusal
  return narrowed
}

function assertNew(isNew: boolean): void {
  if (!isNew) throw new AuthsecError('replayed', 'the token has been used before')
}

function describeSilence(cause: unknown): AuthsecError {
  return new AuthsecError('temporarily_unavailable', 'nobody can tell whether the token may still be used', {
    cause,
  })
}
