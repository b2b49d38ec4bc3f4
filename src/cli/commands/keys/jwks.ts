import type { Command } from '@commander-js/extra-typings'
import type { Context } from '../../context.js'
import { describe } from '../../help.js'
import { formatJson } from '../../json-text.js'
import { readKeys } from '../../key-input.js'
import { assertPrivateTarget, type KeyTarget, writeKeys } from '../../key-output.js'

interface JwksFlags extends KeyTarget {
  private: boolean
}

export function addKeyJwks(parent: Command, context: Context): void {
  describe(parent.command('jwks'), {
    summary: 'join keys into one JWK Set',
    details:
      'Each with its thumbprint as its id, its use and its algorithm. Only the public parts are written unless ' +
      '--private says otherwise.',
    examples: [
      ['authsec keys jwks old.pem new.jwk > jwks.json', 'the key set that an issuer or a client publishes'],
      [
        'authsec keys jwks key.jwk --private --out ci-keys.json',
        'one set of two keys, in a file that only you can read',
      ],
    ],
    exits: [0, 2, 6, 7, 16],
    seeAlso: ['authsec keys generate', 'authsec keys convert'],
  })
    .argument('<files...>', 'PEM, JWK or JWK Set')
    .option('--private', 'write the private parts too', false)
    .option('--out <file>', 'write to a new file that only you can read')
    .option('--reveal', 'print even private keys', false)
    .action((files, flags) => join(context, files, flags))
}

async function join(context: Context, files: readonly string[], flags: JwksFlags): Promise<void> {
  if (flags.private) assertPrivateTarget(flags)
  const read = await Promise.all(files.map((file) => readKeys(context.io, file)))
  const { formatJwk, joinKeys } = await import('../../../authority/key-files.js')
  const jwks = joinKeys(read.flat()).map((key) => formatJwk(key, flags.private ? 'private' : 'public'))
  await writeKeys(context, `${formatJson({ keys: jwks }, 2)}\n`, flags.out)
}
