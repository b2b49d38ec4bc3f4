import { AuthsecError } from '../core/errors.js'
import { type ParsedJwt, parseJwt } from '../core/jwt.js'
import { quote } from '../core/printable.js'
import type { Io } from './io.js'
import { findTextFile } from './text-file.js'

/** How much is read at most, in bytes: a token with everything that may be wrapped around it. */
const MAX_INPUT_BYTES = 64 * 1024

/** A token as it was meant, and what had to be taken off to get there, in words. */
export interface TokenInput {
  token: string
  /** The file that it was read from. */
  file?: string
  stripped: readonly string[]
}

/** Reads a token from a file, or from standard input for `-`; throws `not_found` or `token_malformed`. */
export async function readTokenInput(io: Io, source: string): Promise<TokenInput> {
  if (source === '-') return await readFromInput(io)
  const input = await readFromFile(io, source)
  if (input !== undefined) return input
  throw new AuthsecError('not_found', `there is no file ${quote(source)}`, {
    hint: 'Give a file that holds the token, or - for standard input.',
  })
}

/** Reads a token that may also stand on the command line itself. */
export async function readTokenOrArgument(io: Io, argument: string): Promise<TokenInput> {
  if (argument === '-') return await readFromInput(io)
  if (argument.includes('.') && /^\W*(?:Bearer\s+)?eyJ/i.test(argument))
    return tellStripped(io, cleanToken(argument))
  const input = await readFromFile(io, argument)
  if (input !== undefined) return input
  if (argument.split('.').length === 3) return tellStripped(io, cleanToken(argument))
  // A long argument may be half of a token, which no message repeats.
  const named = argument.length > 40 ? 'the argument' : quote(argument)
  throw new AuthsecError('token_malformed', `${named} is not a JWT`, {
    hint: 'Give a token, a file that holds one, or - for standard input.',
  })
}

/** Takes a token apart as `parseJwt` does; whatever is wrong with it comes with a hint. */
export function parseTokenInput({ token }: TokenInput): ParsedJwt {
  try {
    return parseJwt(token)
  } catch (error) {
    if (!AuthsecError.is(error) || error.hint !== undefined) throw error
    throw new AuthsecError(error.code, error.message, {
      hint: 'Check that all of the token was copied, and nothing else.',
      cause: error,
    })
  }
}

async function readFromInput(io: Io): Promise<TokenInput> {
  if (io.isInputTerminal) io.note('paste the token and end with Ctrl-D')
  return tellStripped(io, cleanToken(await io.readInput(MAX_INPUT_BYTES, 'token_malformed')))
}

async function readFromFile(io: Io, file: string): Promise<TokenInput | undefined> {
  const text = await findTextFile(file, { maxBytes: MAX_INPUT_BYTES, code: 'token_malformed' })
  return text === undefined ? undefined : { ...tellStripped(io, cleanToken(text)), file }
}

function tellStripped(io: Io, input: TokenInput): TokenInput {
  if (input.stripped.length > 0) io.note(`stripped from the token: ${input.stripped.join(', ')}`)
  return input
}

// Takes off what comes along when a token is copied.
function cleanToken(text: string): TokenInput {
  // The one line break at the end is how every command prints.
  let token = text.replace(/\r?\n$/, '')
  const stripped: string[] = []
  for (const [name, pattern] of WRAPPINGS) {
    const bare = token.replace(pattern, '$<token>')
    if (bare !== token) stripped.push(name)
    token = bare
  }
  return { token, stripped: [...new Set(stripped)] }
}

// In the order in which they are wrapped around each other. White space is looked at once, however much there is of it.
const WRAPPINGS: readonly (readonly [name: string, pattern: RegExp])[] = [
  ['white space', /(?<token>)(?:^\s+|(?<!\s)\s+$)/g],
  ['quotes', /^(["'`])(?<token>.*)\1$/s],
  ['"Authorization:"', /^authorization:\s*(?<token>)/i],
  ['"Bearer"', /^bearer\s+(?<token>)/i],
  ['quotes', /^(["'`])(?<token>.*)\1$/s],
  ['line breaks', /(?<token>)(?:(?<![ \t])[ \t]+)?[\r\n]+[ \t]*/g],
  ['white space', /(?<token>)\s+/g],
]
