import { type Client, findClient, listClients } from '../api/clients.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { readUuid } from '../core/uuid.js'
import type { Connection } from './connection.js'

/**
 * Finds the client that a person names by its UUID or its exact name. Needs a session; throws
 * `client_not_found`, and `conflict` when several clients have the name.
 */
export async function findNamedClient(
  { target, findTenant }: Connection,
  reference: string,
): Promise<Client> {
  const tenantId = await findTenant()
  const id = readUuid(reference)
  if (id !== undefined) return await findClient(target, tenantId, id)

  // The server searches for a part of the name in whatever case; only the very name counts.
  const candidates = await listClients(target, tenantId, { name: reference, limit: Number.POSITIVE_INFINITY })
  const [client, ...others] = candidates.filter(({ name }) => name === reference)
  if (client === undefined) {
    throw new AuthsecError('client_not_found', `no client is named ${quote(reference)}`, {
      hint: 'See authsec client list for the clients there are.',
    })
  }
  if (others.length > 0) {
    const ids = [client, ...others].map(({ client_id }) => client_id)
    throw new AuthsecError('conflict', `${ids.length} clients are named ${quote(reference)}`, {
      hint: `Use the id of the one you mean: ${ids.join(', ')}.`,
    })
  }
  return client
}

/** The client that a flag names, otherwise the one that the connection means; throws `usage` where there is none. */
export function readReference({ clientId }: Connection, client: string | undefined): string {
  const reference = client ?? clientId
  if (reference !== undefined) return reference
  throw new AuthsecError('usage', 'no client is given', {
    hint: 'Name it with --client or AUTHSEC_CLIENT_ID.',
  })
}

/** The UUID of a client; only a name has to be looked up. */
export async function findClientId(connection: Connection, reference: string): Promise<string> {
  return readUuid(reference) ?? (await findNamedClient(connection, reference)).client_id
}

/** An agent to delegate to, by its UUID or exact name; throws `conflict` for a client that is not an agent. */
export async function findDelegate(
  connection: Connection,
  reference: string,
): Promise<{ clientId: string; agentType: string }> {
  const { client_id, name, agent_type } = await findNamedClient(connection, reference)
  if (agent_type === undefined || agent_type === '') {
    throw new AuthsecError('conflict', `${quote(name)} is not an agent: it has no agent type`, {
      hint: 'Register agents with authsec client register --type ai_agent --agent-type.',
    })
  }
  return { clientId: client_id, agentType: agent_type }
}
