import { concealAuditFilter } from '../../core/audit-filter.js'
import { AUDIT_EXPORT_FORMATS } from '../../core/audit-record.js'
import { AuthsecError } from '../../core/errors.js'
import { quote } from '../../core/printable.js'
import { readJson } from '../body.js'
import type { Endpoint } from '../endpoint.js'
import { readBoolean, readString, requireString } from '../fields.js'
import { parseFilter } from './events.js'

/** Records that somebody takes the log along, before they do, and how far it goes: what is read then ends there. */
export const auditExport: Endpoint<'admin'> = {
  method: 'POST',
  paths: ['/audit/exports'],
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'Record that the audit log is taken along, up to the number that comes back',
  speaks: 'authsec',
  event: 'audit.exported',
  errors: 'authsec',

  async handle(request, { authority, caller, provenance }) {
    const { audit, clock } = authority
    const body = await readJson(request, ['format', 'filter', 'personal'])
    const draft = { type: 'audit.exported', actor: { type: 'user', id: caller.user.id } } as const
    return await audit.attempt(draft, provenance, async (attempt) => {
      const format = requireString(body, 'format')
      if (!AUDIT_EXPORT_FORMATS.some((known) => known === format)) {
        throw new AuthsecError('invalid_request', `there is no format ${quote(format)}`, {
          hint: `Use one of: ${AUDIT_EXPORT_FORMATS.join(', ')}.`,
        })
      }
      const asked = readString(body, 'filter')
      const filter = asked === undefined ? undefined : concealAuditFilter(parseFilter(asked, clock()))
      const personal = readBoolean(body, 'personal') ?? false
      const last = await audit.head()
      attempt.note({
        details: { format, last, ...(filter !== undefined && { filter }), ...(personal && { personal }) },
      })
      await attempt.commit()
      return Response.json({ authsec_audit: attempt.eventId, last })
    })
  },
}
