import type { Command } from '@commander-js/extra-typings'
import { rotateClientSecret } from '../../../api/client-proofs.js'
import { quote } from '../../../core/printable.js'
import { findNamedClient } from '../../client-reference.js'
import {
  addConfirmFlags,
  assertConfirmable,
  type ConfirmFlags,
  type Deed,
  type DryRun,
  mayProceed,
} from '../../confirmation.js'
import { type Connection, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags, parseSeconds } from '../../flags.js'
import { describe } from '../../help.js'
import { writePrivateFile } from '../../private-file.js'
import { maskSecrets, prepareSecretFile } from '../../secret-delivery.js'

interface RotateFlags extends ConfirmFlags {
  overlap?: number | undefined
  secretOut?: string | undefined
}

/** The new secret of the client, or what would stop working. */
export type Output = ShownSecret | WrittenSecret | DryRun

interface Rotated {
  client_id: string
  name: string
  /** Until when the former secret is good, RFC 3339; null where it has ended. */
  former_secret_expires_at: string | null
}

interface ShownSecret extends Rotated {
  /** Shown this once. */
  client_secret: string
}

interface WrittenSecret extends Rotated {
  /** Where the secret lies, with --secret-out. */
  file: string
}

const DEED: Deed = {
  infinitive: 'end its secret at once',
  participle: 'rotated',
  proof: 'the name of the client',
}

export function addRotate(parent: Command, context: Context): void {
  const command = describe(parent.command('rotate'), {
    summary: 'give a client another secret',
    details:
      'The secret is shown once: only its hash is kept. With --overlap the former one is good for a while yet, so that ' +
      'nothing stops while programs change over; without, it ends at once, which has to be confirmed.',
    examples: [
      ['authsec client rotate billing-app --overlap 1d --secret-out secret.txt', 'both are good for a day'],
      ['authsec client rotate billing-app --confirm billing-app', 'the former one has leaked'],
    ],
    exits: [0, 2, 4, 5, 6, 7, ...SERVER_EXITS, 130],
    seeAlso: ['authsec client register', 'authsec client deactivate'],
  })
    .argument('<client>', 'its UUID or its exact name')
    .option('--overlap <duration>', 'how long the former secret is good yet, at most 7d', parseSeconds)
    .option('--secret-out <file>', 'write the secret to a file that only you can read, and print it nowhere')
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(addConfirmFlags(command, DEED.proof)).action(async (reference, flags) => {
    if (flags.overlap === undefined) assertConfirmable(context, flags, DEED)
    await rotate(context, await openConnection(context, flags), reference, flags)
  })
}

async function rotate(
  context: Context,
  connection: Connection,
  reference: string,
  flags: RotateFlags,
): Promise<void> {
  const { io } = context
  const { overlap, secretOut, json, dryRun } = flags
  const { client_id, name } = await findNamedClient(connection, reference)
  const list = async () => {
    // What a client proves itself by is in no answer of a server.
    const detail = `every program that still uses the former secret of ${name}, where it has one`
    return overlap === undefined ? [{ kind: 'secret', id: client_id, detail } as const] : []
  }
  if ((overlap === undefined || dryRun) && !(await mayProceed(context, flags, DEED, name, list))) return

  await prepareSecretFile(secretOut)
  const { client_secret, former_secret_expires_at } = await rotateClientSecret(
    connection.target,
    client_id,
    overlap ?? 0,
  )
  maskSecrets(context, [client_secret])
  if (secretOut !== undefined) await writePrivateFile(secretOut, `${client_secret}\n`)
  if (json) {
    io.json<Output>({
      client_id,
      name,
      ...(secretOut === undefined ? { client_secret } : { file: secretOut }),
      former_secret_expires_at: former_secret_expires_at ?? null,
    })
    return
  }
  io.record([
    ['client id', client_id],
    ...(secretOut === undefined ? [['secret', client_secret] as const] : []),
    [
      'former secret',
      former_secret_expires_at === undefined ? 'ended' : `good until ${former_secret_expires_at}`,
    ],
  ])
  if (secretOut === undefined) io.note('the secret is shown this once')
  else io.note(`wrote the secret to ${quote(secretOut, 200)}`)
}
