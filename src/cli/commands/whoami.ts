import type { Command } from '@commander-js/extra-typings'
import { assertSession } from '../../api/http.js'
import { describeSession, type SessionFacts } from '../../api/login.js'
import { AuthsecError } from '../../core/errors.js'
import type { Generation } from '../../core/generation.js'
import { peekClaims } from '../../core/jwt.js'
import { formatRelative, formatTime } from '../../core/time.js'
import { formatWhen, keepTold } from '../columns.js'
import { type Connection, openConnection, type SessionSource } from '../connection.js'
import type { Context } from '../context.js'
import { SERVER_EXITS } from '../exit-codes.js'
import { addConnectionFlags } from '../flags.js'
import { describe } from '../help.js'

/** Who is logged in, where, and until when. */
export interface Output {
  /** Whether the server was asked; with --offline it is what is stored. */
  verified: boolean
  email: string | null
  tenant_id: string | null
  roles: readonly string[]
  permissions: readonly string[]
  /** RFC 3339; null where nobody says. */
  expires_at: string | null
  server_url: string
  /** Of the server; null where it is not known. */
  generation: Generation | null
  /** Null where the server was named by a flag or the environment alone. */
  profile: string | null
  session_in: SessionSource['place']
}

export function addWhoami(parent: Command, context: Context): void {
  const command = describe(parent.command('whoami'), {
    summary: 'show who is logged in, where, and until when',
    details:
      'Asks the server, so it also tells whether the session still counts. With --offline nothing is checked.',
    examples: [
      ['authsec whoami', 'as the server sees it'],
      ['authsec whoami --offline --json', 'as it is stored, for a prompt or a script'],
    ],
    exits: [0, 2, 4, ...SERVER_EXITS],
    seeAlso: ['authsec login', 'authsec config list'],
  })
    .option('--offline', 'read what is stored, and ask nobody', false)
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(command).action(async ({ offline, json, ...flags }) =>
    show(context, await openConnection(context, flags), { offline, json }),
  )
}

async function show(
  { io, clock }: Context,
  connection: Connection,
  { offline, json }: { offline: boolean; json: boolean },
): Promise<void> {
  const { target, session, profile, generation, tenantId } = connection
  assertSession(target)
  if (session === undefined) return
  const facts = offline ? readFacts(session) : await describeSession(target, session.token, generation)
  const expiresAt = facts.expiresAt ?? session.expiresAt
  if (offline && expiresAt !== undefined && Date.parse(expiresAt) <= clock.now()) {
    throw new AuthsecError(
      'login_required',
      `the session expired ${formatRelative(Date.parse(expiresAt), clock.now())}`,
      {
        hint: 'Log in again with authsec login.',
      },
    )
  }
  const tenant = facts.tenantId ?? tenantId
  if (json) {
    io.json<Output>({
      verified: !offline,
      email: facts.email ?? null,
      tenant_id: tenant ?? null,
      roles: facts.roles,
      permissions: facts.permissions,
      expires_at: expiresAt ?? null,
      server_url: target.serverUrl,
      generation: generation ?? null,
      profile: profile ?? null,
      session_in: session.place,
    })
    return
  }
  if (offline) io.note('as stored, not checked')
  const fields = [
    ['email', facts.email],
    ['tenant', tenant],
    ['roles', facts.roles.join(' ')],
    ['permissions', facts.permissions.join(' ')],
    ['expires', formatWhen(expiresAt, clock.now(), io.isTerminal)],
    ['server', target.serverUrl],
    ['generation', generation],
    ['profile', profile],
    ['session in', session.place === 'environment' ? 'AUTHSEC_TOKEN' : session.place],
  ] as const
  io.record(keepTold(fields))
}

// A session is the server's own business: where it is a JWT, what it says is worth showing and no more.
function readFacts({ token, expiresAt }: SessionSource): SessionFacts {
  const claims = peekClaims(token)
  const text = (name: string) => (typeof claims[name] === 'string' ? claims[name] : undefined)
  const texts = (name: string) =>
    Array.isArray(claims[name]) ? claims[name].filter((item) => typeof item === 'string') : []
  const exp = claims['exp']
  return {
    email: text('email_id') ?? text('email'),
    tenantId: text('workspace_id') ?? text('tenant_id'),
    roles: texts('roles'),
    permissions: texts('scope'),
    expiresAt: typeof exp === 'number' ? formatTime(exp * 1000) : expiresAt,
  }
}
