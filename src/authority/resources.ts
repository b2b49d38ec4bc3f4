import type { AuditDraft } from '../core/audit-record.js'
import { AuthsecError } from '../core/errors.js'
import { parsePermissions, sortPermissions } from '../core/permission.js'
import { quote } from '../core/printable.js'
import type { Queries, Resource, Store } from '../store/store.js'
import type { AuditLog, Provenance } from './audit/log.js'
import { assertActiveClient, readClientId } from './clients.js'
import { CALL_ALGORITHMS } from './key-sets.js'
import type { Session } from './sessions.js'

export interface ResourceInput {
  uri: string
  permissions: readonly string[]
  /** With which key its call tokens are signed; default ES256. */
  signingAlg?: string | undefined
  /** The client that runs it: it may introspect its tokens and take them to the next hop. */
  clientId?: string | undefined
}

export interface Resources {
  /**
   * Registers an API. Throws `invalid_target`, `invalid_scope`, `invalid_request` for an unknown algorithm,
   * `client_not_found`, or `conflict` when the URI is taken.
   */
  create(input: ResourceInput, session: Session, provenance: Provenance): Promise<Resource>
  list(): Promise<Resource[]>
  /** Throws `not_found`. */
  find(uri: string): Promise<Resource>
  /** From then on no token is issued for the API, whoever may still name it; throws `not_found`. */
  remove(uri: string, session: Session, provenance: Provenance): Promise<Resource>
  /** The first that is registered under one of the URIs. */
  findAny(uris: readonly string[]): Promise<Resource | undefined>
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
        attempt.note(describeResource(resource))
        await attempt.commit(async (transaction) => {
          if (resource.clientId !== undefined) await assertActiveClient(transaction, resource.clientId)
          if ((await transaction.resources.find(resource.uri)) !== undefined) {
            throw new AuthsecError('conflict', `the resource ${quote(resource.uri, 200)} exists already`)
          }
          await transaction.resources.insert(resource)
        })
        return resource
      })
    },
    list: () => store.resources.list(),
    find: (uri) => findResource(store, uri),
    remove(uri, session, provenance) {
      const actor = { type: 'user', id: session.user.id } as const
      return audit.attempt({ type: 'resource.deleted', actor, aud: [uri] }, provenance, (attempt) =>
        attempt.commit(async (transaction) => {
          const resource = await findResource(transaction, uri)
          await transaction.resources.remove(uri)
          return resource
        }),
      )
    },
    async findAny(uris) {
      for (const uri of uris) {
        const resource = await store.resources.find(uri)
        if (resource !== undefined) return resource
      }
      return undefined
    },
  }
}

async function findResource({ resources }: Pick<Queries, 'resources'>, uri: string): Promise<Resource> {
  const resource = await resources.find(uri)
  if (resource !== undefined) return resource
  throw new AuthsecError('not_found', `no resource ${quote(uri, 200)}`)
}

/** What the log tells of a new API. */
export function describeResource({ uri, clientId, permissions, signingAlg }: Resource): Partial<AuditDraft> {
  return {
    aud: [uri],
    client: clientId,
    permissions: { granted: [...permissions] },
    details: { signing_alg: signingAlg },
  }
}

/** A resource from what was said of it; throws `invalid_target`, `invalid_scope` or `invalid_request`. */
export function createResource(input: ResourceInput, now: number): Resource {
  const { uri, permissions, signingAlg = 'ES256' } = input
  assertResourceUri(uri)
  const known = CALL_ALGORITHMS.find((alg) => alg === signingAlg)
  if (known === undefined) {
    throw new AuthsecError(
      'invalid_request',
      `signing_alg ${quote(signingAlg)} is none of ${CALL_ALGORITHMS.join(', ')}`,
    )
  }
  const clientId = input.clientId === undefined ? undefined : readClientId(input.clientId)
  return {
    uri,
    permissions: sortPermissions(parsePermissions(permissions)),
    clientId,
    signingAlg: known,
    createdAt: now,
  }
}

/** A resource is an absolute URI without fragment (RFC 8707 §2); throws `invalid_target`. */
export function assertResourceUri(uri: string): void {
  // Not URL.canParse alone: it forgives spaces and other scripts, and URIs are compared byte for byte.
  if (uri.length > MAX_URI_LENGTH || !ABSOLUTE_URI.test(uri) || !URL.canParse(uri)) {
    throw new AuthsecError('invalid_target', `${quote(uri)} is not an absolute URI without a fragment`, {
      hint: 'Write the address of the API, such as https://billing.example.',
    })
  }
}
