import type { Command } from '@commander-js/extra-typings'
import { type Client, type ClientSearch, isActive, listClients } from '../../../api/clients.js'
import { formatWhen } from '../../columns.js'
import { keepNames } from '../../completion-names.js'
import { type Connection, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags, parseWholeNumber } from '../../flags.js'
import { describe } from '../../help.js'

/** The clients that match. */
export type Output = Client[]

const DEFAULT_LIMIT = 100

export function addClientList(parent: Command, context: Context): void {
  const command = describe(parent.command('list'), {
    summary: 'list the registered clients',
    examples: [
      ['authsec client list', 'the first hundred'],
      ["authsec client list --all --json | jq -r '.[].client_id'", 'the id of every client'],
    ],
    exits: [0, 2, 4, 5, ...SERVER_EXITS],
    seeAlso: ['authsec client show'],
  })
    .addOption(parent.createOption('--active', 'only those that may act').conflicts('inactive'))
    .option('--inactive', 'only those that may not')
    .option('--name <part>', 'only those whose name contains this')
    .option('--limit <n>', 'how many at most', parseWholeNumber(1, 1_000_000), DEFAULT_LIMIT)
    .option('--all', 'as many as there are', false)
    .option('--json', 'print a JSON array', false)
  addConnectionFlags(command).action(async (flags) => {
    const active = flags.active ? true : flags.inactive ? false : undefined
    const limit = flags.all ? Number.POSITIVE_INFINITY : flags.limit
    await list(context, await openConnection(context, flags), { name: flags.name, active, limit }, flags.json)
  })
}

async function list(
  { io, clock, environment }: Context,
  { target, findTenant }: Connection,
  search: ClientSearch,
  json: boolean,
): Promise<void> {
  const clients = await listClients(target, await findTenant(), search)
  const names = clients.flatMap((client) => [client.client_id, client.name])
  await keepNames(environment.configDirectory, 'clients', names)
  if (json) {
    io.json<Output>(clients)
    return
  }
  if (clients.length === 0) {
    io.note('no clients')
    return
  }
  await io.table(
    ['client id', 'name', 'type', 'agent type', 'status', 'created'],
    clients.map((client) => [
      client.client_id,
      client.name,
      client.client_type ?? '',
      client.agent_type ?? '',
      isActive(client) ? 'active' : 'inactive',
      formatWhen(client.created_at, clock.now(), io.isTerminal),
    ]),
  )
  if (clients.length === search.limit) io.note(`the first ${clients.length}; --all lists every client`)
}
