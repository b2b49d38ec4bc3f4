import type { Command } from '@commander-js/extra-typings'
import { AuthsecError } from '../../../core/errors.js'
import type { Profile } from '../../config.js'
import type { Context } from '../../context.js'
import type { SessionPlace } from '../../credentials.js'
import { describe } from '../../help.js'
import { readSettings, requireProfile } from '../../settings.js'

/** The profile, and what is known of its session. */
export interface Output extends Profile {
  name: string
  /** Where its session lies; null where there is none. */
  session_in: SessionPlace | null
  /** RFC 3339; null where there is no session, and where its end is not known. */
  session_expires_at: string | null
}

export function addProfileShow(parent: Command, context: Context): void {
  describe(parent.command('show'), {
    summary: 'show one profile',
    examples: [
      ['authsec profile show', 'the one in use'],
      ['authsec profile show dev --json', 'another one, as data'],
    ],
    exits: [0, 2, 6],
    seeAlso: ['authsec profile list'],
    onlyReads: true,
  })
    .argument('[name]', 'the profile; the one in use when left out')
    .option('--json', 'print one JSON object', false)
    .action((name, { json }) => show(context, name, json))
}

async function show(context: Context, named: string | undefined, json: boolean): Promise<void> {
  const { io, config, credentials } = context
  const name = named ?? (await readSettings(context, {})).profile?.value
  if (name === undefined) {
    throw new AuthsecError('configuration', 'no profile is in use', {
      hint: 'Log in with authsec login, or start authsec dev serve.',
    })
  }
  const profile = requireProfile(await config.read(), name, 'not_found')
  const session = (await credentials.list())[name]
  const facts = {
    name,
    ...profile,
    session_in: session?.place ?? null,
    session_expires_at: session?.expires_at ?? null,
  }
  if (json) io.json<Output>(facts)
  else
    io.record(
      Object.entries(facts).flatMap(([key, value]) =>
        value === null ? [] : [[label(key), [value].flat().join(', ')] as const],
      ),
    )
}

function label(key: string): string {
  return key.replaceAll('_', ' ').replace(/ (?:url|id)$/, '')
}
