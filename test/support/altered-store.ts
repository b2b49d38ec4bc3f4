import type {
  Client,
  Policy,
  Queries,
  Resource,
  Standing,
  Store,
  Transaction,
  User,
} from '../../src/store/store.js'

/** What an administrator has changed meanwhile, by means that this version has no command for. */
export interface Alteration {
  user?: Partial<User>
  client?: Partial<Client>
  policy?: Partial<Policy>
  resource?: Partial<Resource> | 'gone'
}

/** A store that is real but for what a test says has changed in it. */
export interface AlteredStore extends Store {
  /** From now on everything that is read, inside transactions too, reads like this. */
  alter(alteration: Alteration): void
  /** Runs before the next write begins: what happens between reading and committing. */
  beforeNextWrite(happening: () => unknown): void
  /** The disk fails: from now on every write is refused with this. */
  failWrites(error: Error): void
}

export function createAlteredStore(store: Store): AlteredStore {
  let current: Alteration = {}
  let alterations = 0
  let happening: (() => unknown) | undefined
  let failure: Error | undefined

  function alterQueries<Q extends Queries>(queries: Q): Q {
    return {
      ...queries,
      users: {
        ...queries.users,
        find: async (id: string) => merge(await queries.users.find(id), current.user),
      },
      clients: {
        ...queries.clients,
        find: async (id: string) => merge(await queries.clients.find(id), current.client),
      },
      policies: {
        ...queries.policies,
        findApplicable: async (roles: readonly string[], agentType: string, clientId: string) =>
          merge(await queries.policies.findApplicable(roles, agentType, clientId), current.policy),
      },
      delegations: {
        ...queries.delegations,
        revision: async () => (await queries.delegations.revision()) + alterations,
        findStanding: async (clientId: string, uri: string) =>
          alterStanding(await queries.delegations.findStanding(clientId, uri)),
      },
    }
  }

  function alterStanding(standing: Standing | undefined): Standing | undefined {
    return (
      standing && {
        ...standing,
        user: { ...standing.user, ...current.user },
        client: { ...standing.client, ...current.client },
        policy: { ...standing.policy, ...current.policy },
        resource: current.resource === 'gone' ? undefined : merge(standing.resource, current.resource),
        revision: standing.revision + alterations,
      }
    )
  }

  return {
    ...alterQueries(store),
    close: () => store.close(),
    async write<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
      const first = happening
      happening = undefined
      await first?.()
      if (failure !== undefined) throw failure
      return store.write((transaction) => work(alterQueries(transaction)))
    },
    alter(alteration) {
      current = { ...current, ...alteration }
      alterations++
    },
    beforeNextWrite(next) {
      happening = next
    },
    failWrites(error) {
      failure = error
    },
  }
}

function merge<T>(value: T | undefined, change: Partial<T> | undefined): T | undefined {
  return value && { ...value, ...change }
}
