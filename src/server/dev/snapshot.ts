import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { SNAPSHOT_TYPE } from '../../core/snapshot.js'
import { readJson } from '../body.js'
import type { Endpoint } from '../endpoint.js'
import { readBoolean } from '../fields.js'

/**
 * A copy of the whole state. It is written into a file that has no name before any of it is sent: whoever is slow to
 * read it holds up nobody.
 */
export const saveSnapshot: Endpoint<'admin'> = {
  method: 'POST',
  paths: ['/dev/snapshots'],
  access: 'admin',
  modes: ['dev'],
  summary: 'Take a snapshot of the state, with its keys and its audit log where "clone" says so',
  speaks: 'authsec',
  event: 'state.saved',
  errors: 'authsec',

  async handle(request, { authority, caller, provenance }) {
    const clone = readBoolean(await readJson(request, ['clone']), 'clone') ?? false
    const by = { type: 'user', id: caller.user.id } as const
    const directory = await mkdtemp(join(tmpdir(), 'authsec-snapshot-'))
    const remove = () => rm(directory, { recursive: true, force: true }).catch(() => {})
    // Where a file that is open can lose its name, nobody else ever opens it, and a crash leaves nothing behind.
    const file = await open(join(directory, 'snapshot'), 'wx+', 0o600).finally(remove)
    try {
      await authority.snapshots.save({ clone, by }, provenance, (text) => file.writeFile(text))
    } catch (error) {
      await file.close()
      await remove()
      throw error
    }
    const stream = file.createReadStream({ start: 0 }).once('close', remove)
    return new Response(Readable.toWeb(stream) as ReadableStream<Uint8Array>, {
      headers: { 'content-type': SNAPSHOT_TYPE },
    })
  },
}
