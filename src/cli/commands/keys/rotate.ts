import type { Command } from '@commander-js/extra-typings'
import { type KeyChange, type KeyPlace, rotateKeys } from '../../../api/keys.js'
import { assertConfirmable, confirmDeed, type Deed } from '../../confirmation.js'
import { type Connection, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'
import { addPlaceFlags, printKeyChanges } from '../../key-flags.js'

const BASE = 'base'
const BASE_ROTATION: Deed = {
  infinitive: 'replace the key of base tokens without overlap',
  participle: 'replaced',
  proof: 'the purpose',
}

/** The keys that changed, and what each is now. */
export type Output = readonly KeyChange[]

export function addKeyRotate(parent: Command, context: Context): void {
  const command = describe(parent.command('rotate'), {
    summary: 'let the prepared key of a purpose sign from now on',
    details:
      'The server does this by itself in time. For call tokens nobody notices: the next key has been published for ' +
      'long, and the one before it stays published. AuthSec publishes one key of base tokens and no more, so ' +
      '--purpose base has no overlap, and has to be confirmed with --confirm base or by typing it.',
    examples: [
      ['authsec keys rotate', 'the keys of call tokens in ES256'],
      ['authsec keys rotate --purpose base --confirm base', 'the key of base tokens, without overlap'],
    ],
    exits: [0, 2, 4, 5, 7, ...SERVER_EXITS, 130],
    seeAlso: ['authsec keys list', 'authsec keys taint'],
  })
    .option('--confirm <purpose>', 'the purpose, instead of typing it')
    .option('--json', 'print a JSON array of the keys that changed', false)
  addConnectionFlags(addPlaceFlags(command)).action(async ({ purpose, alg, json, ...flags }) => {
    if (purpose === BASE) assertConfirmable(context, flags, BASE_ROTATION)
    await rotate(context, await openConnection(context, flags), { purpose, alg }, flags.confirm, json)
  })
}

async function rotate(
  context: Context,
  { target }: Connection,
  place: KeyPlace,
  given: string | undefined,
  json: boolean,
): Promise<void> {
  if (place.purpose === BASE) {
    context.io.warn(
      "AuthSec's bundle holds one key: who caches it refuses every base token until it is read again",
    )
    await confirmDeed(context, { confirm: given }, BASE_ROTATION, BASE)
  }
  const changed = await rotateKeys(target, place)
  if (json) context.io.json<Output>(changed)
  else await printKeyChanges(context, changed)
}
