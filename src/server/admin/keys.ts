import type { DueKey, EmergencyOutcome, KeyOutcome } from '../../authority/key-life.js'
import { parseKeyPlace } from '../../authority/key-sets.js'
import type { LiveToken } from '../../authority/live-tokens.js'
import type { AuditEventType } from '../../core/audit-record.js'
import { formatTime } from '../../core/time.js'
import type { StoredKey } from '../../store/store.js'
import { readJson } from '../body.js'
import type { Endpoint, EndpointContext } from '../endpoint.js'
import { readString, requireString } from '../fields.js'

const FOR_ADMINS = {
  access: 'admin',
  modes: ['dev', 'shared'],
  speaks: 'authsec',
  errors: 'authsec',
} as const

export const listKeys: Endpoint<'admin'> = {
  ...FOR_ADMINS,
  method: 'GET',
  paths: ['/admin/keys'],
  summary: 'List every signing key with its state',
  event: 'key.read',

  async handle(_request, { authority }) {
    return Response.json((await authority.keys.list()).map(formatKey))
  },
}

export const prepareKey: Endpoint<'admin'> = changeKeys({
  path: '/admin/keys/prepare',
  summary: 'Make and publish the next key of a purpose',
  event: 'key.prepared',
  change: async ({ authority, caller, provenance }, request) =>
    formatOutcome(await authority.keys.prepare(await readPlace(request), caller.user, provenance)),
})

export const rotateKeys: Endpoint<'admin'> = changeKeys({
  path: '/admin/keys/rotate',
  summary: 'Let the prepared key of a purpose sign from now on',
  event: 'key.activated',
  change: async ({ authority, caller, provenance }, request) =>
    formatOutcome(await authority.keys.rotate(await readPlace(request), caller.user, provenance)),
})

export const activateKey: Endpoint<'admin'> = changeKeys({
  path: '/admin/keys/:kid/activate',
  summary: 'Let a prepared key sign from now on',
  event: 'key.activated',
  change: async ({ authority, caller, params: { kid = '' }, provenance }) =>
    formatOutcome(await authority.keys.activate(kid, caller.user, provenance)),
})

export const taintKey: Endpoint<'admin'> = changeKeys({
  path: '/admin/keys/:kid/taint',
  summary: 'Let a suspect key sign nothing more, and list what it signed',
  event: 'key.tainted',
  change: async ({ authority, caller, params: { kid = '' }, provenance }) =>
    formatEmergency(await authority.keys.condemn(kid, 'tainted', caller.user, provenance)),
})

export const revokeKey: Endpoint<'admin'> = changeKeys({
  path: '/admin/keys/:kid/revoke',
  summary: 'Take a compromised key out of the key set, and list what it signed',
  event: 'key.revoked',
  change: async ({ authority, caller, params: { kid = '' }, provenance }) =>
    formatEmergency(await authority.keys.condemn(kid, 'revoked', caller.user, provenance)),
})

/** An endpoint that changes keys, and answers with what has become of them. */
function changeKeys({
  path,
  summary,
  event,
  change,
}: {
  path: string
  summary: string
  event: AuditEventType
  change(context: EndpointContext<'admin'>, request: Request): Promise<object>
}): Endpoint<'admin'> {
  return {
    ...FOR_ADMINS,
    method: 'POST',
    paths: [path],
    summary,
    event,
    handle: async (request, context) => Response.json(await change(context, request)),
  }
}

async function readPlace(request: Request) {
  const body = await readJson(request, ['purpose', 'alg'])
  return parseKeyPlace(requireString(body, 'purpose'), readString(body, 'alg'))
}

function formatKey(key: DueKey): object {
  const { kid, purpose, alg, state, createdAt, publishedAt, activatedAt, stoppedAt, dueAt } = key
  return {
    kid,
    purpose,
    alg,
    state,
    created_at: formatTime(createdAt),
    ...formatTimes({
      published_at: publishedAt,
      activated_at: activatedAt,
      stopped_at: stoppedAt,
      due_at: dueAt,
    }),
  }
}

function formatOutcome({ keys, changed }: KeyOutcome): object {
  const found = changed.map((kid) => keys.find((key) => key.kid === kid)).filter((key) => key !== undefined)
  return { changed: found.map(formatChange) }
}

function formatEmergency({ liveTokens, ...outcome }: EmergencyOutcome): object {
  const { tokens, total } = liveTokens
  return { ...formatOutcome(outcome), live_tokens: tokens.map(formatToken), live_tokens_total: total }
}

function formatChange({ kid, purpose, alg, state }: StoredKey): object {
  return { kid, purpose, alg, state }
}

function formatToken({ jti, type, client, subject, expiresAt }: LiveToken): object {
  return { jti, type, client_id: client, subject, ...formatTimes({ expires_at: expiresAt }) }
}

function formatTimes(times: Readonly<Record<string, number | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(times).flatMap(([name, time]) => (time === undefined ? [] : [[name, formatTime(time)]])),
  )
}
