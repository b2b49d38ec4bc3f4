import type { Command } from '@commander-js/extra-typings'
import type { Context } from '../../context.js'
import { describe } from '../../help.js'
import { readKeys } from '../../key-input.js'

/** The keys of the file, in its order. */
export type Output = readonly KeyOutput[]

interface KeyOutput {
  /** Its thumbprint, RFC 7638. */
  kid: string
  /** What it signs with, RFC 7518. */
  alg: string
  /** Whether the file holds the private part too. */
  private: boolean
}

export function addKeyThumbprint(parent: Command, context: Context): void {
  describe(parent.command('thumbprint'), {
    summary: 'print the id of a key, which is its thumbprint',
    details:
      'SHA-256 over the public part, RFC 7638: the same for a private key, a public one, a JWK and a PEM.',
    examples: [['authsec keys thumbprint agent.jwk', 'the kid that its tokens and key sets carry']],
    exits: [0, 2, 6, 16],
    seeAlso: ['authsec keys convert'],
  })
    .argument('<file>', 'PEM, JWK or JWK Set, or - for standard input')
    .option('--json', 'print a JSON array', false)
    .action((file, { json }) => thumbprint(context, file, json))
}

async function thumbprint({ io }: Context, file: string, json: boolean): Promise<void> {
  const keys = await readKeys(io, file)
  if (json)
    io.json<Output>(keys.map(({ kid, alg, privateKey }) => ({ kid, alg, private: privateKey !== undefined })))
  else for (const { kid } of keys) io.line(kid)
}
