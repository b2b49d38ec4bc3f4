import type { Command } from '@commander-js/extra-typings'
import { AuthsecError } from '../../core/errors.js'
import { quote } from '../../core/printable.js'
import { startChild } from '../child-process.js'
import { type Connection, openConnection } from '../connection.js'
import type { Context } from '../context.js'
import { SERVER_EXITS } from '../exit-codes.js'
import { addConnectionFlags } from '../flags.js'
import { describe } from '../help.js'
import { lendToken } from '../lent-token.js'
import { addMintFlags, readMintRequest } from '../mint-flags.js'
import type { MintRequest } from '../minting.js'
import { writePrivateFile } from '../private-file.js'
import { toWriteFailure } from '../write-failure.js'

/** How the child gets the token. */
interface Lending {
  as: 'env' | 'file'
  variable: string
}

const VARIABLES = { env: 'AUTHSEC_DELEGATION_TOKEN', file: 'AUTHSEC_DELEGATION_TOKEN_FILE' } as const

/** What the child has no use for, and could do more with than with its token. */
const WITHHELD = ['AUTHSEC_TOKEN', 'AUTHSEC_KEK', 'AUTHSEC_ID_TOKEN']

export function addExec(parent: Command, context: Context): void {
  const command = describe(parent.command('exec'), {
    summary: 'run a program with a delegation token of its own',
    details:
      'The program finds the token in AUTHSEC_DELEGATION_TOKEN, or with --as file in the file that ' +
      'AUTHSEC_DELEGATION_TOKEN_FILE names, where it is renewed before it expires. It ends with the program: call ' +
      'tokens are revoked, and the exit code is that of the program. AUTHSEC_TOKEN, AUTHSEC_ID_TOKEN and AUTHSEC_KEK are withheld.',
    examples: [
      ['authsec exec --audience https://billing.example -- node -e 0', 'one token, for as long as it lives'],
      ['authsec exec --as file --audience https://billing.example -- node -e 0', 'a token that stays fresh'],
    ],
    exits: [0, 2, 4, 5, 6, 7, ...SERVER_EXITS, 125],
    seeAlso: ['authsec token mint'],
  })
    .argument('<command...>', 'the program and its arguments, behind --')
    .addOption(
      parent
        .createOption('--as <way>', 'how the program gets the token')
        .choices(['env', 'file'] as const)
        .default('env' as const),
    )
    .option('--variable <name>', 'the variable that holds the token, or the path of its file', parseVariable)
  addConnectionFlags(addMintFlags(command)).action(async (words, flags) => {
    const request = readMintRequest(flags)
    const { as, variable = VARIABLES[as] } = flags
    const connection = await openConnection(context, flags)
    context.status.code = await execute(context, connection, request, words, { as, variable })
  })
}

async function execute(
  context: Context,
  connection: Connection,
  request: MintRequest,
  words: readonly string[],
  { as, variable }: Lending,
): Promise<number> {
  // Before there is a token that would have to be taken back.
  const file = as === 'file' ? await openTokenFile() : undefined
  try {
    const lent = await lendToken(context, connection, request)
    const over = new AbortController()
    try {
      await file?.write(lent.current.token)
      const child = await startChild(words, {
        variables: { ...withhold(context), [variable]: file?.path ?? lent.current.token },
        isAtTerminal: context.io.isAtTerminal,
      })
      // What is renewed goes where it can be read again; a variable of a program that runs cannot be changed.
      const freshness = file && lent.keepFresh(file.write, over.signal).catch(() => {})
      const code = await child.ended
      over.abort()
      await freshness
      return code
    } finally {
      over.abort()
      await lent.takeBack()
    }
  } finally {
    await file?.remove()
  }
}

function withhold({ environment }: Context): Record<string, string | undefined> {
  // In whatever case: to Windows the names are the same.
  const isWithheld = (name: string) => WITHHELD.includes(name.toUpperCase())
  return Object.fromEntries(Object.entries(environment.variables).filter(([name]) => !isWithheld(name)))
}

// In a directory that only its owner can enter.
async function openTokenFile() {
  const { mkdtemp, rm } = await import('node:fs/promises')
  const { tmpdir } = await import('node:os')
  const { join, resolve } = await import('node:path')
  // The program may go elsewhere.
  const place = resolve(tmpdir())
  const hint = 'Set TMPDIR to a directory where you may write.'
  const directory = await mkdtemp(join(place, 'authsec-exec-')).catch((error: unknown) => {
    throw toWriteFailure(place, error, hint)
  })
  const path = join(directory, 'token')
  const write = (text: string) => writePrivateFile(path, text, hint)
  return { path, write, remove: () => rm(directory, { recursive: true, force: true }) }
}

function parseVariable(text: string): string {
  if (/^[A-Za-z_]\w*$/.test(text)) return text
  throw new AuthsecError('usage', `${quote(text)} cannot name a variable`, {
    hint: 'Use letters, digits and underscores, no digit first.',
  })
}
