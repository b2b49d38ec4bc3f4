import { randomUUID } from 'node:crypto'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { JsonObject } from '../core/strict-json.js'
import type { ExternalService } from '../store/external-services.js'
import type { Queries, Store } from '../store/store.js'
import type { AuditLog, Provenance } from './audit/log.js'
import { assertPermitted, type Caller } from './callers.js'
import type { Envelope } from './envelope.js'
import { findById } from './find-by-id.js'
import { placeOfCredentials } from './sealed-places.js'

/** What may be said of a service; every field is untrusted, and what is left out stays or is empty. */
export interface ServiceInput {
  name?: string | undefined
  type?: string | undefined
  url?: string | undefined
  description?: string | undefined
  tags?: readonly string[] | undefined
  resourceId?: string | undefined
  authType?: string | undefined
  agentAccessible?: boolean | undefined
  credentials?: JsonObject | undefined
}

/** Each throws `access_denied` without its permission; agents know only the services that are for them. */
export interface ExternalServices {
  list(caller: Caller): Promise<ExternalService[]>
  /** Throws `not_found`. */
  find(id: string, caller: Caller): Promise<ExternalService>
  /** The service with its credentials in the clear, recorded. Throws `not_found`. */
  open(
    id: string,
    caller: Caller,
    provenance: Provenance,
  ): Promise<{ service: ExternalService; credentials: JsonObject }>
  /** Throws `invalid_request`, or `conflict` when the name is taken. */
  create(input: ServiceInput, caller: Caller, provenance: Provenance): Promise<ExternalService>
  /** Throws as `create` does, and `not_found`. */
  update(id: string, input: ServiceInput, caller: Caller, provenance: Provenance): Promise<ExternalService>
  /** Throws `not_found`. */
  remove(id: string, caller: Caller, provenance: Provenance): Promise<void>
}

export function createExternalServices(options: {
  store: Store
  audit: AuditLog
  envelope: Envelope
  clock: () => number
}): ExternalServices {
  const { store, audit, envelope, clock } = options

  const seal = (id: string, credentials: JsonObject) =>
    envelope.seal(Buffer.from(JSON.stringify(credentials)), placeOfCredentials(id))

  return {
    async list(caller) {
      assertPermitted(caller, 'external-service:read')
      return (await store.externalServices.list()).filter((service) => isVisible(service, caller))
    },

    async find(id, caller) {
      assertPermitted(caller, 'external-service:read')
      return findService(store, id, caller)
    },

    open(id, caller, provenance) {
      return audit.attempt({ type: 'service.opened', ...caller.parties }, provenance, async (attempt) => {
        assertPermitted(caller, 'external-service:credentials')
        return attempt.commit(async (transaction) => {
          const service = await findService(transaction, id, caller)
          attempt.note({ details: { service: service.id } })
          const opened = envelope.open(service.sealedCredentials, placeOfCredentials(service.id))
          return { service, credentials: JSON.parse(Buffer.from(opened).toString()) }
        })
      })
    },

    create(input, caller, provenance) {
      return audit.attempt({ type: 'service.created', ...caller.parties }, provenance, async (attempt) => {
        assertPermitted(caller, 'external-service:create')
        const id = randomUUID()
        const now = clock()
        const fresh = { id, createdBy: caller.userId, createdAt: now, sealedCredentials: seal(id, {}) }
        const service = applyInput({ ...EMPTY_SERVICE, ...fresh }, input, now, seal)
        attempt.note({ details: { service: id } })
        await attempt.commit(async (transaction) => {
          await assertNameFree(transaction, service)
          await transaction.externalServices.insert(service)
        })
        return service
      })
    },

    update(id, input, caller, provenance) {
      return audit.attempt({ type: 'service.updated', ...caller.parties }, provenance, async (attempt) => {
        assertPermitted(caller, 'external-service:update')
        return attempt.commit(async (transaction) => {
          const current = await findService(transaction, id, caller)
          attempt.note({ details: { service: current.id } })
          const service = applyInput(current, input, clock(), seal)
          await assertNameFree(transaction, service)
          await transaction.externalServices.update(service)
          return service
        })
      })
    },

    remove(id, caller, provenance) {
      return audit.attempt({ type: 'service.deleted', ...caller.parties }, provenance, async (attempt) => {
        assertPermitted(caller, 'external-service:delete')
        await attempt.commit(async (transaction) => {
          const service = await findService(transaction, id, caller)
          attempt.note({ details: { service: service.id } })
          await transaction.externalServices.remove(service.id)
        })
      })
    },
  }
}

const EMPTY_SERVICE = {
  name: '',
  type: '',
  url: '',
  description: '',
  tags: [],
  resourceId: '',
  authType: '',
  agentAccessible: false,
}

const MAX_TEXT_LENGTH = 2048

function applyInput(
  service: Omit<ExternalService, 'updatedAt'>,
  input: ServiceInput,
  now: number,
  seal: (id: string, credentials: JsonObject) => Uint8Array,
): ExternalService {
  const { credentials } = input
  const changed = {
    ...service,
    name: input.name ?? service.name,
    type: input.type ?? service.type,
    url: input.url ?? service.url,
    description: input.description ?? service.description,
    tags: input.tags ?? service.tags,
    resourceId: input.resourceId ?? service.resourceId,
    authType: input.authType ?? service.authType,
    agentAccessible: input.agentAccessible ?? service.agentAccessible,
    sealedCredentials: credentials === undefined ? service.sealedCredentials : seal(service.id, credentials),
    updatedAt: now,
  }
  for (const field of ['name', 'type', 'url', 'description', 'resourceId', 'authType'] as const) {
    if (changed[field].length > MAX_TEXT_LENGTH) {
      throw new AuthsecError('invalid_request', `${field} has more than ${MAX_TEXT_LENGTH} characters`)
    }
  }
  if (changed.name.trim() === '') throw new AuthsecError('invalid_request', 'name is required')
  return changed
}

async function findService(
  { externalServices }: Pick<Queries, 'externalServices'>,
  id: string,
  caller: Caller,
): Promise<ExternalService> {
  const service = await findById(externalServices, id)
  // What is not for agents is not there for them.
  if (service === undefined || !isVisible(service, caller)) {
    throw new AuthsecError('not_found', `no external service ${quote(id)}`)
  }
  return service
}

function isVisible({ agentAccessible }: ExternalService, { isAgent }: Caller): boolean {
  return agentAccessible || !isAgent
}

async function assertNameFree(
  { externalServices }: Pick<Queries, 'externalServices'>,
  { id, name }: ExternalService,
): Promise<void> {
  const other = await externalServices.findByName(name)
  if (other === undefined || other.id === id) return
  throw new AuthsecError('conflict', `the external service ${quote(name)} exists already`)
}
