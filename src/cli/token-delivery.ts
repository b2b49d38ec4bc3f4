import { quote } from '../core/printable.js'
import { formatTime } from '../core/time.js'
import type { Context } from './context.js'
import type { MintedToken } from './minting.js'
import { maskSecrets, writeSecret } from './secret-delivery.js'

/** A token that is handed out; one that is signed with a key of one's own is of no client. */
export type DeliverableToken = Omit<MintedToken, 'kind' | 'clientId'> & {
  kind: MintedToken['kind'] | 'local'
  clientId: string | undefined
}

/** How a token leaves. */
export interface Delivery {
  json: boolean
  header: boolean
  /** A file that only its owner can read. */
  out: string | undefined
}

/** Hands out a token: on standard output and nowhere else, or in a file; throws `usage` for one that cannot be written. */
export async function deliverToken(
  context: Context,
  minted: DeliverableToken,
  delivery: Delivery,
): Promise<void> {
  const { io, clock } = context
  const { token, expiresAt } = minted
  maskSecrets(context, [token])
  if (delivery.out !== undefined) await writeSecret(delivery.out, `${token}\n`)
  if (delivery.json) {
    io.json({
      ...(delivery.out === undefined ? { token } : { file: delivery.out }),
      kind: minted.kind,
      client_id: minted.clientId ?? null,
      audience: minted.audience,
      permissions: minted.permissions,
      expires_at: formatTime(expiresAt),
      expires_in: Math.max(0, Math.floor((expiresAt - clock.now()) / 1000)),
      audit_id: minted.auditId ?? null,
    })
  } else if (delivery.out !== undefined) {
    io.note(`wrote the token to ${quote(delivery.out, 200)}`)
  } else {
    io.line(delivery.header ? `Authorization: Bearer ${token}` : token)
  }
}
