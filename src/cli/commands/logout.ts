import type { Command } from '@commander-js/extra-typings'
import { endSession } from '../../api/login.js'
import { AuthsecError } from '../../core/errors.js'
import { type Connection, openConnection } from '../connection.js'
import type { Context } from '../context.js'
import { addConnectionFlags } from '../flags.js'
import { describe } from '../help.js'
import { isSamePlace } from '../settings.js'

/** What became of the session. */
export interface Output {
  server_url: string
  /** Whether the server was told, and the session counts no longer. */
  ended: boolean
  /** The profiles whose session was forgotten here. */
  forgotten: readonly string[]
}

export function addLogout(parent: Command, context: Context): void {
  const command = describe(parent.command('logout'), {
    summary: 'end the session and forget it',
    details:
      'What the server cannot be told is forgotten here all the same, and the warning says how long it counts.',
    examples: [
      ['authsec logout', 'of the profile in use'],
      ['authsec logout --profile staging', 'of another one'],
    ],
    exits: [0, 2],
    seeAlso: ['authsec login', 'authsec whoami'],
  }).option('--json', 'print one JSON object', false)
  addConnectionFlags(command).action(async ({ json, ...flags }) =>
    logout(context, await openConnection(context, flags), json),
  )
}

async function logout(context: Context, connection: Connection, json: boolean): Promise<void> {
  const { io, environment } = context
  const { serverUrl } = connection.target
  const isEnded = await end(context, connection)
  const forgotten = await forget(context, serverUrl)
  if (json) io.json<Output>({ server_url: serverUrl, ended: isEnded, forgotten })
  else if (forgotten.length === 0) io.note(`there was no session for ${serverUrl}`)
  else io.note(`logged out of ${serverUrl}`)
  if (environment.token !== undefined) io.warn('AUTHSEC_TOKEN still holds a session: unset it as well')
}

async function end({ io }: Context, { target, session }: Connection): Promise<boolean> {
  // What the environment holds is not ours to end.
  if (session === undefined || session.place === 'environment') return false
  const until = session.expiresAt === undefined ? 'until it expires' : `until ${session.expiresAt}`
  try {
    if (await endSession(target)) return true
    io.warn(`${target.serverUrl} cannot end a session: it counts there ${until}`)
  } catch (error) {
    if (!AuthsecError.is(error) || error.code === 'interrupted') throw error
    io.warn(`${error.message}: the session may count there ${until}`)
  }
  return false
}

async function forget({ credentials }: Context, serverUrl: string): Promise<string[]> {
  const stored = Object.entries(await credentials.list())
  const names = stored
    .filter(([, { server_url }]) => isSamePlace(server_url, serverUrl))
    .map(([name]) => name)
  for (const name of names) await credentials.remove(name)
  return names
}
