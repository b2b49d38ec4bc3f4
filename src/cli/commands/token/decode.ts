import type { Command } from '@commander-js/extra-typings'
import { formatChain, formatMembers, readChain } from '../../claims-text.js'
import { alignPairs } from '../../columns.js'
import type { Context } from '../../context.js'
import { describe } from '../../help.js'
import { parseTokenInput, readTokenOrArgument, type TokenInput } from '../../token-input.js'

export function addDecode(parent: Command, context: Context): void {
  describe(parent.command('decode'), {
    summary: 'show what a token says, without verifying it',
    details:
      'Calls nobody. "Bearer", quotes and line breaks around the token are taken off. Whoever made the token ' +
      'may have written anything into it: token verify tells whether it holds.',
    examples: [
      ['authsec token mint | authsec token decode -', 'read a fresh token'],
      ['authsec token decode token.jwt --json | jq .claims', 'work with the claims'],
    ],
    exits: [0, 2, 16],
    seeAlso: ['authsec token verify'],
  })
    .argument('[token]', 'the token, a file that holds it, or - for standard input', '-')
    .option('--json', 'print one JSON object', false)
    .action(async (argument, { json }) =>
      decode(context, await readTokenOrArgument(context.io, argument), json),
    )
}

async function decode({ io, clock }: Context, input: TokenInput, json: boolean): Promise<void> {
  const { header, claims } = parseTokenInput(input)
  const chain = readChain(claims)
  if (json) {
    io.json({ verified: false, header, claims, chain, stripped: input.stripped })
    return
  }
  const style = await io.style()
  io.line(`${style.caution('NOT VERIFIED')}  check it with: authsec token verify -`)
  const sections: [string, [string, string][]][] = [
    ['header', formatMembers(header, clock.now())],
    ['claims', formatMembers(claims, clock.now())],
    ['chain', formatChain(chain)],
  ]
  for (const [title, members] of sections) {
    if (members.length === 0) continue
    io.line()
    io.line(style.strong(title))
    for (const line of alignPairs(members)) io.line(`  ${line}`)
  }
}
