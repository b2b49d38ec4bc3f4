import type { Command } from '@commander-js/extra-typings'
import type { GeneratedAlgorithm, KeyFormat } from '../../../authority/key-files.js'
import type { Context } from '../../context.js'
import { describe } from '../../help.js'
import { formatJson } from '../../json-text.js'
import { assertPrivateTarget, type KeyTarget, writeKeys } from '../../key-output.js'

interface GenerateFlags extends KeyTarget {
  alg: GeneratedAlgorithm
  format: KeyFormat
}

export function addKeyGenerate(parent: Command, context: Context): void {
  describe(parent.command('generate'), {
    summary: 'make a key pair, offline',
    details:
      'The private key goes into a new file that only you can read; the public one, which is for everybody, is ' +
      'printed. Its id is its thumbprint, RFC 7638.',
    examples: [
      ['authsec keys generate --out agent.jwk > agent.pub.jwk', 'a key with which a client proves who it is'],
      ['authsec keys generate --alg RS256 --format pem --out key.pem', 'for what reads PEM'],
    ],
    exits: [0, 2, 7],
    seeAlso: ['authsec keys jwks', 'authsec keys convert'],
  })
    .addOption(
      parent
        .createOption('--alg <algorithm>', 'what it signs with')
        .choices(['ES256', 'RS256', 'EdDSA'] as const)
        .default('ES256' as GeneratedAlgorithm),
    )
    .addOption(
      parent
        .createOption('--format <format>', 'how both parts are written')
        .choices(['jwk', 'pem'] as const)
        .default('jwk' as KeyFormat),
    )
    .option('--out <file>', 'where the private key goes')
    .option('--reveal', 'print the private key instead', false)
    .action((flags) => generate(context, flags))
}

async function generate(context: Context, { alg, format, out, reveal }: GenerateFlags): Promise<void> {
  assertPrivateTarget({ out, reveal })
  const { formatJwk, formatPem, generateKey } = await import('../../../authority/key-files.js')
  const key = await generateKey(alg)
  const write = (part: 'public' | 'private') =>
    format === 'pem' ? formatPem(key, part) : `${formatJson(formatJwk(key, part), 2)}\n`
  await writeKeys(context, write('private'), out)
  if (out !== undefined) await writeKeys(context, write('public'), undefined)
}
