import type { PublishedLog } from '../../authority/audit/published-log.js'
import { AuthsecError } from '../../core/errors.js'
import { parseTilePath, TILE_WIDTH, type Tile } from '../../core/log-tiles.js'
import { quote } from '../../core/printable.js'
import type { Endpoint } from '../endpoint.js'

const ROOT = '/audit/log/'
/** What never changes any more may be kept for as long as anybody likes. */
const FOR_EVER = 'max-age=31536000, immutable'

/** The signed head of the log. */
export const logCheckpoint: Endpoint<'public'> = {
  method: 'GET',
  paths: ['/audit/log/checkpoint'],
  access: 'public',
  modes: ['dev', 'shared'],
  summary: 'The signed head of the audit log',
  speaks: 'C2SP tlog-checkpoint',
  event: undefined,
  errors: 'authsec',
  crossOrigin: true,

  async handle(_request, { authority }) {
    return new Response(await authority.publishedLog.checkpoint(), {
      headers: { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'public, max-age=1' },
    })
  },
}

/** The key that signs the log, and how older keys vouch for it. Whoever has no key from elsewhere only learns a name. */
export const logKeys: Endpoint<'public'> = {
  method: 'GET',
  paths: ['/audit/log/keys'],
  access: 'public',
  modes: ['dev', 'shared'],
  summary: 'The verifier key of the audit log, and how older keys vouch for it',
  speaks: 'authsec',
  event: undefined,
  errors: 'authsec',
  crossOrigin: true,

  async handle(_request, { authority: { publishedLog } }) {
    const { verifierKey, handovers } = await publishedLog.readKeys()
    return Response.json({ verifier_key: verifierKey, handovers })
  },
}

/** The records, in bundles of 256. */
export const logEntries: Endpoint<'admin'> = {
  method: 'GET',
  paths: ['/audit/log/tile/entries/*'],
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'The records of the audit log, in bundles',
  speaks: 'C2SP tlog-tiles',
  differences: 'Needs the session of an admin. A record that is gone is an entry of no bytes.',
  event: 'audit.read',
  errors: 'authsec',

  async handle(request, { authority, caller, provenance }) {
    const tile = readTilePath(request)
    const response = await answerTile(tile, authority.publishedLog, 'private')
    // Whoever reads a bundle has read its records, which nobody learns from the hashes.
    const records = Array.from({ length: tile.width }, (_, at) => ({ seq: tile.index * TILE_WIDTH + at }))
    authority.auditReads.note(caller, { filter: [] }, records, provenance)
    return response
  },
}

/** The hashes over the records, which tell nobody anything but whether they have changed. */
export const logTile: Endpoint<'public'> = {
  method: 'GET',
  paths: ['/audit/log/tile/*'],
  access: 'public',
  modes: ['dev', 'shared'],
  summary: 'The hashes over the audit log, in tiles',
  speaks: 'C2SP tlog-tiles',
  event: undefined,
  errors: 'authsec',
  crossOrigin: true,

  handle: (request, { authority }) => answerTile(readTilePath(request), authority.publishedLog, 'public'),
}

/** The proof that one event is in the log. */
export const eventProof: Endpoint<'admin'> = {
  method: 'GET',
  paths: ['/audit/events/:id/proof'],
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'The proof that an event is in the audit log',
  speaks: 'C2SP tlog-proof',
  differences: 'The extra line is the record.',
  event: 'audit.read',
  errors: 'authsec',

  async handle(_request, { authority, caller, params, provenance }) {
    const id = (params['id'] ?? '').toLowerCase()
    const { seq, proof } = await authority.publishedLog.prove(id)
    const filter = [{ field: 'id', operator: '=', value: id }] as const
    authority.auditReads.note(caller, { filter }, [{ seq }], provenance)
    return new Response(proof, {
      headers: { 'content-type': 'text/plain; charset=utf-8' },
    })
  },
}

async function answerTile(tile: Tile, log: PublishedLog, scope: 'public' | 'private'): Promise<Response> {
  const bytes = await log.readTile(tile)
  if (bytes === undefined) throw new AuthsecError('not_found', 'the signed log has no such tile')
  return new Response(bytes as Uint8Array<ArrayBuffer>, {
    headers: { 'content-type': 'application/octet-stream', 'cache-control': `${scope}, ${FOR_EVER}` },
  })
}

function readTilePath(request: Request): Tile {
  const path = new URL(request.url).pathname.slice(ROOT.length)
  const tile = parseTilePath(path)
  if (tile === undefined) throw new AuthsecError('not_found', `${quote(path)} is not the path of a tile`)
  return tile
}
