import { noSuchEvent } from '../../core/audit-record.js'
import { isUuid } from '../../core/uuid.js'
import type { Endpoint } from '../endpoint.js'
import { formatRecord } from './events.js'

/** One event, by the id that tokens name as `authsec_audit`. */
export const event: Endpoint<'admin'> = {
  method: 'GET',
  paths: ['/audit/events/:id'],
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'One event of the audit log, by its id',
  speaks: 'authsec',
  event: 'audit.read',
  errors: 'authsec',

  async handle(_request, { authority, caller, params, provenance }) {
    const { id = '' } = params
    const filter = [{ field: 'id', operator: '=', value: id.toLowerCase() }] as const
    const { records } = isUuid(id) ? await authority.audit.scan({ filter, limit: 1 }) : { records: [] }
    const [record] = records
    if (record === undefined) throw noSuchEvent(id, await authority.audit.first())
    authority.auditReads.note(caller, { filter }, records, provenance)
    return new Response(formatRecord(record), { headers: { 'content-type': 'application/json' } })
  },
}
