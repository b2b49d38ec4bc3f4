import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { isLoopback, parseServerUrl } from '../core/server-url.js'
import { assertTrustTerms, type TrustTerms } from '../core/trust-rule.js'
import type { Queries, Store, TrustRule } from '../store/store.js'
import type { AuditLog, Provenance } from './audit/log.js'
import type { Mode } from './client-authentication.js'
import { assertActiveClient, readClientId } from './clients.js'
import type { Session } from './sessions.js'

export interface TrustRuleInput extends TrustTerms {
  name: string
  clientId: string
}

/** Which workloads of other issuers may act as a client. */
export interface TrustRules {
  /** Throws `invalid_request`, `client_not_found`, or `conflict` when the name is taken. */
  create(input: TrustRuleInput, session: Session, provenance: Provenance): Promise<TrustRule>
  list(): Promise<TrustRule[]>
  /** Throws `not_found`. */
  find(name: string): Promise<TrustRule>
  /** From then on no token is issued under the rule; throws `not_found`. */
  remove(name: string, session: Session, provenance: Provenance): Promise<TrustRule>
}

const NAME = /^[a-z0-9][\w.-]{0,63}$/i

export function createTrustRules(options: {
  store: Store
  audit: AuditLog
  clock: () => number
  mode: Mode
}): TrustRules {
  const { store, audit, clock, mode } = options
  return {
    create(input, session, provenance) {
      const actor = { type: 'user', id: session.user.id } as const
      return audit.attempt({ type: 'trust.created', actor }, provenance, async (attempt) => {
        const rule = createTrustRule(input, clock(), mode)
        const { name, clientId, issuer, audience, subject, claims } = rule
        attempt.note({
          client: clientId,
          details: { name, issuer, audience, subject, claims: { ...claims } },
        })
        await attempt.commit(async (transaction) => {
          await assertActiveClient(transaction, clientId)
          if ((await transaction.trustRules.find(name)) !== undefined) {
            throw new AuthsecError('conflict', `the trust rule ${quote(name)} exists already`)
          }
          await transaction.trustRules.insert(rule)
        })
        return rule
      })
    },
    list: () => store.trustRules.list(),
    find: (name) => findTrustRule(store, name),
    remove(name, session, provenance) {
      const actor = { type: 'user', id: session.user.id } as const
      return audit.attempt({ type: 'trust.deleted', actor, details: { name } }, provenance, (attempt) =>
        attempt.commit(async (transaction) => {
          const rule = await findTrustRule(transaction, name)
          attempt.note({ client: rule.clientId })
          await transaction.trustRules.remove(name)
          return rule
        }),
      )
    },
  }
}

async function findTrustRule({ trustRules }: Pick<Queries, 'trustRules'>, name: string): Promise<TrustRule> {
  const rule = await trustRules.find(name)
  if (rule !== undefined) return rule
  throw new AuthsecError('not_found', `no trust rule ${quote(name)}`)
}

function createTrustRule(input: TrustRuleInput, now: number, mode: Mode): TrustRule {
  if (!NAME.test(input.name)) {
    throw new AuthsecError('invalid_request', `${quote(input.name)} cannot be the name of a trust rule`, {
      hint: 'Use up to 64 letters, digits, dots, dashes and underscores.',
    })
  }
  const clientId = readClientId(input.clientId)
  assertIssuer(input.issuer, mode)
  assertTrustTerms(input)
  return { ...input, clientId, createdAt: now }
}

function assertIssuer(issuer: string, mode: Mode): void {
  try {
    const url = parseServerUrl(issuer)
    // What runs beside a server of a team speaks for nobody.
    if (url.search === '' && url.hash === '' && (mode === 'dev' || !isLoopback(url))) return
  } catch {
    // Told below, in the words of a request.
  }
  throw new AuthsecError(
    'invalid_request',
    `issuer ${quote(issuer, 200)} is not the https address of an issuer`,
  )
}
