import type { Command } from '@commander-js/extra-typings'
import { createResource, type Resource } from '../../../api/resources.js'
import { AuthsecError } from '../../../core/errors.js'
import { openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { createEach, parseDeclarations } from '../../declaration.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags, collectPermission } from '../../flags.js'
import { describe } from '../../help.js'
import { askPersistently } from '../../prompts.js'
import { RESOURCES, type ResourceTerms } from '../../resource-declaration.js'
import { readDeclaration } from '../../text-input.js'

interface ResourceFlags {
  permission: readonly string[]
  file?: string | undefined
}

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
    const { json } = flags
    const asks = uri === undefined && flags.file === undefined && io.isInteractive
    const given = asks ? undefined : await readTerms(context, uri, flags)
    const { target } = await openConnection(context, flags)
    const declared = given ?? [await interview(context, flags.permission)]
    const create = ({ uri, permissions }: ResourceTerms) => createResource(target, uri, permissions)
    const resources = await createEach({ io, json }, declared, create, describeResource)
    if (json) io.json<Output>(resources)
  })
}

async function readTerms(
  { io }: Context,
  uri: string | undefined,
  { file, permission: permissions }: ResourceFlags,
): Promise<ResourceTerms[]> {
  if (file !== undefined && uri !== undefined) {
    throw new AuthsecError('usage', 'an address is given together with --file', {
      hint: 'Write it into the file.',
    })
  }
  if (file !== undefined) return parseDeclarations(await readDeclaration(io, file), RESOURCES)
  if (uri !== undefined) return [{ uri, permissions }]
  throw new AuthsecError('usage', 'no address is given', {
    hint: 'Write authsec resource create URI, or declare the API with --file.',
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
