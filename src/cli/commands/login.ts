import type { Command } from '@commander-js/extra-typings'
import { loginWithPassword, type OpenedSession, requestDeviceCode } from '../../api/login.js'
import { AuthsecError } from '../../core/errors.js'
import { GENERATIONS, type Generation } from '../../core/generation.js'
import { toPrintable } from '../../core/printable.js'
import { formatRelative, formatTime } from '../../core/time.js'
import type { Context } from '../context.js'
import { SESSION_PLACES, type SessionPlace } from '../credentials.js'
import { awaitConfirmation } from '../device-login.js'
import { SERVER_EXITS } from '../exit-codes.js'
import { describe } from '../help.js'
import { findLoginPlace, findSessionPlace, keepSession, type LoginPlace } from '../login-place.js'
import { readPassword } from '../password.js'
import { dropPending, keepPending, type PendingLogin, readPending, startPending } from '../pending-login.js'

/**
 * The code to confirm, then the session once it is confirmed; with --non-interactive the code alone, with --complete
 * or a password the session alone.
 */
export type Output =
  | ({ type: 'code' } & CodeToConfirm)
  | (CodeToConfirm & { complete: string })
  | ({ type: 'session' } & StoredSession)

/** RFC 8628 §3.2. */
interface CodeToConfirm {
  user_code: string
  verification_uri: string
  verification_uri_complete: string
  /** RFC 3339, in UTC. */
  expires_at: string
  /** How often is asked whether the code is confirmed, in seconds. */
  interval: number
  server_url: string
  profile: string
}

interface StoredSession {
  profile: string
  server_url: string
  generation: Generation
  /** Null where the server does not say. */
  tenant_id: string | null
  /** Null where the server does not say. */
  email: string | null
  /** RFC 3339; null where the server does not say. */
  expires_at: string | null
  stored_in: SessionPlace
}

/** How a session is kept and told. */
interface Keeping {
  store?: SessionPlace | undefined
  json: boolean
}

export function addLogin(parent: Command, context: Context): void {
  describe(parent.command('login'), {
    summary: 'log in to an AuthSec server',
    details:
      'Shows a code and a link; whoever confirms the code in a browser is who is logged in. The session lies in ' +
      'the keychain of the system where one answers, otherwise in a file that only you can read.',
    examples: [
      ['authsec login --server https://authsec.example', 'confirm a code in a browser'],
      [
        'authsec login --email admin@authsec.test --password-stdin < password.txt',
        'with a password, in a script',
      ],
      ['authsec login --non-interactive', 'print the code as JSON and come back at once'],
      ['authsec login --complete', 'wait until that code has been confirmed'],
    ],
    exits: [0, 2, 4, 5, 7, 8, ...SERVER_EXITS, 130],
    seeAlso: ['authsec whoami', 'authsec logout', 'authsec profile use'],
  })
    .option('--server <url>', 'the AuthSec server (AUTHSEC_SERVER)')
    .option('--profile <name>', 'the profile that remembers it; named after the server when left out')
    .option('--email <address>', 'log in with a password instead of a code')
    .option('--password-stdin', 'read the password from standard input', false)
    .addOption(
      parent
        .createOption('--non-interactive', 'print the code as JSON and do not wait')
        .default(false)
        .conflicts(['email', 'complete']),
    )
    .addOption(
      parent
        .createOption('--complete', 'wait for the code of --non-interactive')
        .default(false)
        .conflicts(['email', 'server']),
    )
    .addOption(
      parent
        .createOption('--generation <generation>', 'which AuthSec the server is, instead of asking it')
        .choices(GENERATIONS),
    )
    .addOption(parent.createOption('--store <place>', 'where the session lies').choices(SESSION_PLACES))
    .option('--json', 'print JSON Lines', false)
    .action(async ({ email, passwordStdin, nonInteractive, complete, ...flags }) => {
      if (passwordStdin && email === undefined) {
        throw new AuthsecError('usage', '--password-stdin needs to know whose password it is', {
          hint: 'Add --email ADDRESS.',
        })
      }
      if (complete) return await completeLogin(context, flags)
      const place = await findLoginPlace(context, flags)
      if (nonInteractive) return await beginLogin(context, place)
      if (email === undefined) return await loginByCode(context, place, flags)
      const password = await readPassword(context, passwordStdin)
      await loginByPassword(context, place, { email, password }, flags)
    })
}

async function loginByCode(context: Context, place: LoginPlace, { store, json }: Keeping): Promise<void> {
  const { io, clock } = context
  const where = await findSessionPlace(context, store)
  const pending = await requestCode(context, place)
  if (json) io.jsonLine<Output>({ type: 'code', ...describePending(pending) })
  else showCode(context, pending)
  const session = await awaitConfirmation(context, pending)
  await keepSession(context, place, session, where)
  tell(context, place, session, where, json)

  function showCode({ io }: Context, { userCode, link, expiresAt }: PendingLogin): void {
    io.complain(`your code is ${toPrintable(userCode)}`)
    io.complain(`confirm it at ${toPrintable(link)}`)
    io.note(`waiting; the code expires ${formatRelative(expiresAt, clock.now())}`)
  }
}

async function beginLogin(context: Context, place: LoginPlace): Promise<void> {
  const pending = await requestCode(context, place)
  await keepPending(context.environment.configDirectory, pending)
  context.io.json<Output>({ ...describePending(pending), complete: 'authsec login --complete' })
}

async function completeLogin(context: Context, { store, json }: Keeping): Promise<void> {
  const { configDirectory } = context.environment
  const pending = await readPending(configDirectory)
  const where = await findSessionPlace(context, store)
  const session = await awaitConfirmation(context, pending)
  await keepSession(context, pending, session, where)
  await dropPending(configDirectory)
  tell(context, pending, session, where, json)
}

async function loginByPassword(
  context: Context,
  place: LoginPlace,
  { email, password }: { email: string; password: string },
  { store, json }: Keeping,
): Promise<void> {
  const { io, fetch } = context
  const where = await findSessionPlace(context, store)
  const session = await loginWithPassword({ serverUrl: place.serverUrl, fetch }, email, password)
  await keepSession(context, place, session, where)
  if (session.mustChangePassword) io.warn('the server wants the password to be changed')
  tell(context, place, session, where, json)
}

async function requestCode({ fetch, clock }: Context, place: LoginPlace): Promise<PendingLogin> {
  const code = await requestDeviceCode({ serverUrl: place.serverUrl, fetch })
  return startPending(place, code, clock.now())
}

function describePending({
  profile,
  serverUrl,
  userCode,
  page,
  link,
  expiresAt,
  interval,
}: PendingLogin): CodeToConfirm {
  return {
    user_code: userCode,
    verification_uri: page,
    verification_uri_complete: link,
    expires_at: formatTime(expiresAt),
    interval,
    server_url: serverUrl,
    profile,
  }
}

function tell(
  { io, credentials, environment }: Context,
  { profile, serverUrl, generation }: LoginPlace,
  { email, tenantId, expiresAt }: OpenedSession,
  where: SessionPlace,
  json: boolean,
): void {
  if (environment.token !== undefined)
    io.warn('AUTHSEC_TOKEN goes before this session: unset it to use this one')
  if (json) {
    io.jsonLine<Output>({
      type: 'session',
      profile,
      server_url: serverUrl,
      generation,
      tenant_id: tenantId ?? null,
      email: email ?? null,
      expires_at: expiresAt ?? null,
      stored_in: where,
    })
    return
  }
  const kept = where === 'file' ? credentials.path : 'the keychain'
  io.note(`logged in to ${serverUrl}${email === undefined ? '' : ` as ${toPrintable(email)}`}`)
  io.note(`profile ${profile} is in use; the session lies in ${kept}`)
  if (where === 'file') io.note('no keychain was used: whoever can read that file can act as you')
}
