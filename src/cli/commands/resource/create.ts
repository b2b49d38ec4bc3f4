import type { Command } from '@commander-js/extra-typings'
import { createResource, type Resource } from '../../../api/resources.js'
import { openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { createEach, readRequested } from '../../declaration.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags, collectPermission } from '../../flags.js'
import { describe } from '../../help.js'
import { askPersistently } from '../../prompts.js'
import { RESOURCES, type ResourceTerms } from '../../resource-declaration.js'

/** The API that was registered; of several declared with --file, all of them in that order. */
export type Output = Resource | Resource[]

export function addResourceCreate(parent: Command, context: Context): void {
  const command = describe(parent.command('create'), {
    summary: 'register an API that accepts tokens',
    details: 'At a terminal it asks for the address and the permissions where no address is given.',
    examples: [
      [
        'authsec resource create https://shipping.example --permission shipping:read',
        'an API whose tokens may carry one permission',
      ],
      ['authsec resource create --file resources.json', 'APIs that are declared in a file'],
    ],
    exits: [0, 2, 4, 5, 6, 7, ...SERVER_EXITS, 130],
    seeAlso: ['authsec resource list', 'authsec policy create'],
  })
    .argument('[uri]', 'the absolute address that names the API, as its tokens carry it in aud')
    .option('--permission <permission>', 'what its tokens may carry; repeatable', collectPermission, [])
    .addOption(
      parent
        .createOption('--file <file>', 'resources as JSON instead, one or a list; - for standard input')
        .conflicts('permission'),
    )
    .option('--json', 'print one JSON object; of several declared, a list', false)
  addConnectionFlags(command).action(async (uri, flags) => {
    const { io } = context
    const { permission: permissions, file, json } = flags
    const given = await readRequested(io, RESOURCES, file, {
      what: 'an address',
      given: uri,
      read: (uri) => ({ uri, permissions }),
      usage: 'authsec resource create URI',
    })
    const { target } = await openConnection(context, flags)
    const declared = given ?? [await interview(context, permissions)]
    const create = ({ uri, permissions }: ResourceTerms) => createResource(target, uri, permissions)
    const resources = await createEach({ io, json }, declared, create, describeResource)
    if (json) io.json<Output>(resources)
  })
}

async function interview({ prompts }: Context, known: readonly string[]): Promise<ResourceTerms> {
  const uri = await askPersistently(prompts, 'Address of the API, as its tokens carry it in aud:')
  if (known.length > 0) return { uri, permissions: known }
  const answer = await prompts.ask('Permissions of its tokens, such as billing:read, with commas (none):')
  const permissions = answer.split(/[\s,]+/).filter((text) => text !== '')
  return { uri, permissions: permissions.reduce<string[]>((list, text) => collectPermission(text, list), []) }
}

function describeResource({ uri, permissions }: Resource): [name: string, value: string][] {
  return [
    ['uri', uri],
    ['permissions', permissions.join(', ')],
  ]
}
