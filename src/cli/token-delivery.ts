import type { Command, OptionValues } from '@commander-js/extra-typings'
import { quote } from '../core/printable.js'
import { formatTime } from '../core/time.js'
import type { Context } from './context.js'
import type { MintedToken } from './minting.js'
import { writePrivateFile } from './private-file.js'
import { maskSecrets } from './secret-delivery.js'

/** A token that is handed out; one that is signed with a key of one's own is of no client. */
export type DeliverableToken = Omit<MintedToken, 'kind' | 'clientId'> & {
  kind: MintedToken['kind'] | 'local'
  clientId: string | undefined
}

/** A token that was handed out, or where it was written. */
export interface DeliveredToken {
  /** Absent with --out. */
  token?: string
  /** Where the token was written, with --out. */
  file?: string
  /** For any API that the delegation allows, for one call to one API, or signed with a key of one's own. */
  kind: DeliverableToken['kind']
  /** Null for a token that is signed with a key of one's own. */
  client_id: string | null
  audience: readonly string[]
  permissions: readonly string[]
  /** RFC 3339, in UTC. */
  expires_at: string
  /** In seconds. */
  expires_in: number
  /** The event of the audit log that recorded the issuance; null where the server names none. */
  audit_id: string | null
}

/** How a token leaves. */
export interface Delivery {
  json: boolean
  header: boolean
  /** A file that only its owner can read. */
  out?: string | undefined
}

/** Adds the flags of `Delivery`. */
export function addDeliveryFlags<A extends unknown[], O extends OptionValues, G extends OptionValues>(
  command: Command<A, O, G>,
) {
  return command
    .option('--out <file>', 'write the token to a file that only you can read')
    .addOption(
      command.createOption('--header', 'print it as an Authorization header').default(false).conflicts('out'),
    )
    .addOption(command.createOption('--json', 'print one JSON object').default(false).conflicts('header'))
}

/**
 * Hands out a token: on standard output and nowhere else, or in a file; throws `configuration` for one that cannot be written.
 */
export async function deliverToken(
  context: Context,
  minted: DeliverableToken,
  { json, header, out }: Delivery,
): Promise<void> {
  const { io, clock } = context
  const { token, expiresAt } = minted
  maskSecrets(context, [token])
  if (out !== undefined) await writePrivateFile(out, `${token}\n`)
  if (json) {
    io.json<DeliveredToken>({
      ...(out === undefined ? { token } : { file: out }),
      kind: minted.kind,
      client_id: minted.clientId ?? null,
      audience: minted.audience,
      permissions: minted.permissions,
      expires_at: formatTime(expiresAt),
      expires_in: Math.max(0, Math.floor((expiresAt - clock.now()) / 1000)),
      audit_id: minted.auditId ?? null,
    })
  } else if (out !== undefined) {
    io.note(`wrote the token to ${quote(out, 200)}`)
  } else {
    io.line(header ? `Authorization: Bearer ${token}` : token)
  }
}
