import type { Command } from '@commander-js/extra-typings'
import { listKeys, type SigningKeyInfo } from '../../../api/keys.js'
import { formatRelative } from '../../../core/time.js'
import { formatWhen } from '../../columns.js'
import { type Connection, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'
import { KEY_PURPOSES } from '../../key-flags.js'

/** The keys, oldest first. */
export type Output = readonly SigningKeyInfo[]

export function addKeyList(parent: Command, context: Context): void {
  const command = describe(parent.command('list'), {
    summary: 'list the signing keys of the server, with their states',
    details:
      'Shows what is in use or published; a key is prepared before it is active, and retiring while what it ' +
      'signed may still be alive. The last column is its next step: from when a prepared key may sign, which the ' +
      'next rotation lets it do; when an active key is replaced; when one that signs no more is gone.',
    examples: [
      ['authsec keys list', 'what signs now, what will, and what verifiers still accept'],
      ['authsec keys list --purpose call --all', 'with those that are gone'],
    ],
    exits: [0, 2, 4, 5, ...SERVER_EXITS],
    seeAlso: ['authsec keys rotate', 'authsec keys taint'],
  })
    .addOption(parent.createOption('--purpose <purpose>', 'only those for this').choices(KEY_PURPOSES))
    .option('--all', 'also the keys that are retired or revoked', false)
    .option('--json', 'print a JSON array', false)
  addConnectionFlags(command).action(async ({ purpose, all, json, ...flags }) => {
    const isAsked = (key: SigningKeyInfo) =>
      (purpose === undefined || key.purpose === purpose) && (all || !GONE.includes(key.state))
    await list(context, await openConnection(context, flags), isAsked, json)
  })
}

const GONE = ['retired', 'revoked']

async function list(
  { io, clock }: Context,
  { target }: Connection,
  isAsked: (key: SigningKeyInfo) => boolean,
  json: boolean,
): Promise<void> {
  const keys = (await listKeys(target)).filter(isAsked)
  if (json) {
    io.json<Output>(keys)
    return
  }
  if (keys.length === 0) {
    io.note('no keys')
    return
  }
  const now = clock.now()
  const when = (text: string | undefined) => formatWhen(text, now, io.isTerminal)
  const next = (key: SigningKeyInfo) => (io.isTerminal ? describeNext(key, now) : when(key.due_at))
  await io.table(
    ['kid', 'purpose', 'alg', 'state', 'since', 'next step'],
    keys.map((key) => [key.kid, key.purpose, key.alg, key.state, when(sinceOf(key)), next(key)]),
  )
}

/** What comes next for a key, and when, in the words of a person. */
function describeNext({ state, due_at }: SigningKeyInfo, nowMs: number): string {
  if (GONE.includes(state)) return ''
  const due = Date.parse(due_at ?? '')
  if (Number.isNaN(due)) {
    return state === 'prepared' ? 'may sign once every server publishes it' : 'replaced by hand only'
  }
  const { coming, past } = NEXT[state] ?? { coming: 'next step', past: 'next step due' }
  return due > nowMs ? `${coming} ${formatRelative(due, nowMs)}` : past
}

const NEXT: Readonly<Record<string, { coming: string; past: string }>> = {
  // By itself nothing happens to it at that moment: it waits for the active one to go.
  prepared: { coming: 'may sign', past: 'signs after the next rotation' },
  active: { coming: 'replaced', past: 'about to be replaced' },
  retiring: { coming: 'gone', past: 'about to go' },
  tainted: { coming: 'gone', past: 'about to go' },
}

/** Since when a key is what it is. */
function sinceOf({ state, created_at, activated_at, stopped_at }: SigningKeyInfo): string | undefined {
  if (state === 'prepared') return created_at
  return state === 'active' ? activated_at : stopped_at
}
