import { condemnKey, type KeyEmergency } from '../api/keys.js'
import { formatWhen } from './columns.js'
import { assertConfirmable, confirmDeed, type Deed } from './confirmation.js'
import { type ConnectionFlags, openConnection } from './connection.js'
import type { Context } from './context.js'

/** Which key is taken out of use, how, and what the flags say. */
export interface Condemnation extends ConnectionFlags {
  kid: string
  verb: 'taint' | 'revoke'
  confirm?: string | undefined
  json: boolean
}

const DEEDS: Readonly<Record<Condemnation['verb'], Deed>> = {
  taint: { infinitive: 'taint the key', participle: 'tainted', proof: 'the id of the key' },
  revoke: { infinitive: 'revoke the key', participle: 'revoked', proof: 'the id of the key' },
}

/** Takes a key out of use once its id is confirmed; what it signed and is alive is the result. */
export async function condemn(context: Context, { kid, verb, json, ...flags }: Condemnation) {
  assertConfirmable(context, flags, DEEDS[verb])
  const { target } = await openConnection(context, flags)
  await confirmDeed(context, flags, DEEDS[verb], kid)
  const emergency = await condemnKey(target, kid, verb)
  if (json) context.io.json<KeyEmergency>(emergency)
  else await printEmergency(context, emergency)
}

async function printEmergency(context: Context, emergency: KeyEmergency): Promise<void> {
  const { io, clock } = context
  const { changed, live_tokens: tokens, live_tokens_total: total } = emergency
  for (const { kid, purpose, alg, state } of changed) io.note(`${kid} (${purpose}, ${alg}) is ${state}`)
  if (total === 0) {
    io.note('nothing that it signed is alive')
    return
  }
  io.note(`${total} ${total === 1 ? 'token' : 'tokens'} that it signed may still be alive:`)
  await io.table(
    ['jti', 'type', 'client', 'subject', 'expires'],
    tokens.map(({ jti, type, client_id, subject, expires_at }) => [
      jti,
      type,
      client_id ?? '',
      subject ?? '',
      formatWhen(expires_at, clock.now(), io.isTerminal),
    ]),
  )
  if (tokens.length < total) io.warn(`only the first ${tokens.length} of them are listed`)
}
