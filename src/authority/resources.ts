import { AuthsecError } from '../core/errors.js'
import { parsePermissions, sortPermissions } from '../core/permission.js'
import { quote } from '../core/printable.js'
import type { Resource, Store } from '../store/store.js'
import type { AuditLog, Provenance } from './audit/log.js'
import type { Session } from './sessions.js'

export interface ResourceInput {
  uri: string
  permissions: readonly string[]
}

export interface Resources {
  /** Registers an API. Throws `invalid_target`, `invalid_scope`, or `conflict` when the URI is taken. */
  create(input: ResourceInput, session: Session, provenance: Provenance): Promise<Resource>
  list(): Promise<Resource[]>
}

// As long as a field of an audit record, so that none is ever cut there.
const MAX_URI_LENGTH = 1024
// The characters of RFC 3986 §2 without `#`.
const ABSOLUTE_URI = /^[a-z][a-z0-9+.-]*:[\w.~:/?[\]@!$&'()*+,;=%-]+$/i

export function createResources(options: { store: Store; audit: AuditLog; clock: () => number }): Resources {
  const { store, audit, clock } = options
  return {
    create(input, session, provenance) {
      const actor = { type: 'user', id: session.user.id } as const
      return audit.attempt({ type: 'resource.created', actor }, provenance, async (attempt) => {
        const resource = createResource(input, clock())
        attempt.note({ aud: [resource.uri], permissions: { granted: [...resource.permissions] } })
        await attempt.commit(async (transaction) => {
          if ((await transaction.resources.find(resource.uri)) !== undefined) {
            throw new AuthsecError('conflict', `the resource ${quote(resource.uri, 200)} exists already`)
          }
          await transaction.resources.insert(resource)
        })
        return resource
      })
    },
    list: () => store.resources.list(),
  }
}

/** A resource from what was said of it; throws `invalid_target` or `invalid_scope`. */
export function createResource({ uri, permissions }: ResourceInput, now: number): Resource {
  assertResourceUri(uri)
  return {
    uri,
    permissions: sortPermissions(parsePermissions(permissions)),
    signingAlg: 'ES256',
    createdAt: now,
  }
}

/** A resource is an absolute URI without fragment (RFC 8707 §2); throws `invalid_target`. */
export function assertResourceUri(uri: string): void {
  // Not URL.canParse alone: it forgives spaces and other scripts, and URIs are compared byte for byte.
  if (uri.length > MAX_URI_LENGTH || !ABSOLUTE_URI.test(uri) || !URL.canParse(uri)) {
    throw new AuthsecError('invalid_target', `${quote(uri)} is not an absolute URI without a fragment`)
  }
}
