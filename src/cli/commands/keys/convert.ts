import type { Command } from '@commander-js/extra-typings'
import type { FileKey } from '../../../authority/key-files.js'
import { AuthsecError } from '../../../core/errors.js'
import { quote } from '../../../core/printable.js'
import type { Context } from '../../context.js'
import { describe } from '../../help.js'
import { formatJson } from '../../json-text.js'
import { readKeys } from '../../key-input.js'
import { assertPrivateTarget, type KeyTarget, writeKeys } from '../../key-output.js'

type Form = 'jwk' | 'jwks' | 'pem'

interface ConvertFlags extends KeyTarget {
  to: Form
  private: boolean
}

export function addKeyConvert(parent: Command, context: Context): void {
  describe(parent.command('convert'), {
    summary: 'write a key in another form',
    details: 'Only the public part is written unless --private says otherwise.',
    examples: [
      ['authsec keys convert key.pem', 'the public JWK of a PEM file'],
      ['authsec keys convert key.jwk --to pem --private --out key.pem', 'the private key as PKCS #8'],
    ],
    exits: [0, 2, 6, 7, 16],
    seeAlso: ['authsec keys jwks', 'authsec keys thumbprint'],
  })
    .argument('<file>', 'PEM, JWK or JWK Set, or - for standard input')
    .addOption(
      parent
        .createOption('--to <form>', 'how it is written')
        .choices(['jwk', 'jwks', 'pem'] as const)
        .default('jwk' as Form),
    )
    .option('--private', 'write the private part too', false)
    .option('--out <file>', 'write to a new file that only you can read')
    .option('--reveal', 'print even a private key', false)
    .action((file, flags) => convert(context, file, flags))
}

async function convert(context: Context, file: string, flags: ConvertFlags): Promise<void> {
  if (flags.private) assertPrivateTarget(flags)
  const keys = await readKeys(context.io, file)
  const text = await formatKeys(keys, flags.to, flags.private ? 'private' : 'public', file)
  await writeKeys(context, text, flags.out)
}

async function formatKeys(
  keys: readonly FileKey[],
  to: Form,
  part: 'public' | 'private',
  file: string,
): Promise<string> {
  const { formatJwk, formatPem } = await import('../../../authority/key-files.js')
  if (to === 'pem') return keys.map((key) => formatPem(key, part)).join('')
  const jwks = keys.map((key) => formatJwk(key, part))
  if (to === 'jwks') return `${formatJson({ keys: jwks }, 2)}\n`
  if (jwks.length === 1) return `${formatJson(jwks[0], 2)}\n`
  throw new AuthsecError('usage', `${quote(file)} holds ${jwks.length} keys, and a JWK is one`, {
    hint: 'Write a set of them: --to jwks.',
  })
}
