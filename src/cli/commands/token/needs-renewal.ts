import type { Command } from '@commander-js/extra-typings'
import { parseDuration } from '../../../core/duration.js'
import { AuthsecError } from '../../../core/errors.js'
import { quote } from '../../../core/printable.js'
import type { JsonObject } from '../../../core/strict-json.js'
import { formatTime } from '../../../core/time.js'
import { describeExpiry } from '../../claims-text.js'
import type { Context } from '../../context.js'
import { describe } from '../../help.js'
import { parseTokenInput, readTokenInput } from '../../token-input.js'

/** How much of a life may be left at most: a share of it, or seconds. */
type Remainder = { share: number } | { seconds: number }

/** A third of the life, as good clients do it. */
const DEFAULT_REMAINDER = '33%'

/** The answer; it is printed also where the exit code says that a new token is due. */
export interface Output {
  due: boolean
  /** RFC 3339, in UTC. */
  expires_at: string
  /** In seconds; negative for a token that has expired. */
  expires_in: number
}

export function addNeedsRenewal(parent: Command, context: Context): void {
  describe(parent.command('needs-renewal'), {
    summary: 'tell whether it is time for a new token',
    details: 'Ends with 10 when it is, also for a token that has expired, and with 0 while there is time.',
    examples: [
      [
        'authsec token needs-renewal token.jwt || authsec token mint --out token.jwt',
        'renew it when it is time',
      ],
      ['authsec token needs-renewal token.jwt --expires-in 2m', 'less than two minutes left?'],
    ],
    exits: [0, 2, 6, 10, 14, 16],
    seeAlso: ['authsec token mint', 'authsec token verify'],
    onlyReads: true,
  })
    .argument('[file]', 'a file that holds the token, or - for standard input', '-')
    .option(
      '--expires-in <pct|duration>',
      `how much of its life is left at most: 25%, or 2m; by default ${DEFAULT_REMAINDER}`,
      parseRemainder,
      parseRemainder(DEFAULT_REMAINDER),
    )
    .option('--json', 'print one JSON object', false)
    .action(async (source, { expiresIn, json }) => {
      const { claims } = parseTokenInput(await readTokenInput(context.io, source))
      answer(context, claims, expiresIn, json)
    })
}

function answer({ io, clock }: Context, claims: JsonObject, remainder: Remainder, json: boolean): void {
  const now = clock.now()
  const { exp, iat, nbf } = claims
  if (typeof exp !== 'number') {
    throw new AuthsecError(
      'claim_invalid',
      'the claim "exp" is not a time: the token does not say when it ends',
    )
  }
  const begin = typeof iat === 'number' ? iat : nbf
  if ('share' in remainder && typeof begin !== 'number') {
    throw new AuthsecError('claim_invalid', 'the token does not say when it began', {
      hint: 'Give --expires-in as a duration.',
    })
  }
  const margin = 'share' in remainder ? (exp - Number(begin)) * remainder.share : remainder.seconds
  const isDue = exp - now / 1000 <= margin
  if (json)
    io.json<Output>({
      due: isDue,
      expires_at: formatTime(exp * 1000),
      expires_in: Math.floor(exp - now / 1000),
    })
  else io.line(`${isDue ? 'due' : 'not due'}: it ${describeExpiry(exp, now)}`)
  if (isDue) throw new AuthsecError('answer_no', 'a new token is due')
}

function parseRemainder(text: string): Remainder {
  const [, percent] = /^(\d{1,3})%$/.exec(text) ?? []
  if (percent === undefined) return { seconds: parseDuration(text) }
  if (Number(percent) <= 100) return { share: Number(percent) / 100 }
  throw new AuthsecError('usage', `${quote(text)} is more than all of a life`)
}
