import type { Command, OptionValues } from '@commander-js/extra-typings'
import { MAX_CALL_TTL } from '../core/delegation.js'
import { formatDuration } from '../core/duration.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { collectPermission, parseSeconds } from './flags.js'
import type { CallTerms, MintRequest } from './minting.js'

/** What is said about the token that is wanted. */
interface MintFlags extends CallFlags {
  client?: string | undefined
  grant: boolean
  minTtl?: number | undefined
}

interface CallFlags {
  audience?: string | undefined
  permission: readonly string[]
  ttl?: number | undefined
  tool?: string | undefined
}

/** Adds the flags of `CallFlags`, but for the audience. */
export function addCallFlags<A extends unknown[], O extends OptionValues, G extends OptionValues>(
  command: Command<A, O, G>,
) {
  return command
    .option(
      '--permission <permission>',
      'what the token shall allow; repeatable; none: all that may be had',
      collectPermission,
      [],
    )
    .option('--ttl <duration>', 'how long it lives, at most 5m', parseCallTtl)
    .option('--tool <name>', 'the tool that asks, for the API and the audit log')
}

/** Adds the flags of `MintRequest`. */
export function addMintFlags<A extends unknown[], O extends OptionValues, G extends OptionValues>(
  command: Command<A, O, G>,
) {
  const named = command
    .option('--client <client>', 'the agent, by its UUID or exact name (AUTHSEC_CLIENT_ID)')
    .option('--audience <uri>', 'the API that shall accept the token')
  return addCallFlags(named)
    .option('--grant', 'delegate first when the agent has no delegation that lasts', false)
    .option('--min-ttl <duration>', 'fail unless it lives that long', parseSeconds)
}

/** Reads the flags; throws `usage` for what makes no sense together. */
export function readMintRequest(flags: MintFlags): MintRequest {
  const { client, grant, minTtl: minTtlSeconds = 0 } = flags
  const call = readCallTerms(flags)
  if (call) assertReachable(minTtlSeconds)
  return { client, grant, call, minTtlSeconds }
}

function readCallTerms(flags: CallFlags): CallTerms | undefined {
  const { audience, permission: permissions, ttl: ttlSeconds, tool } = flags
  if (audience !== undefined) return { audience, permissions, ttlSeconds, tool, args: undefined }
  const narrowing =
    permissions.length > 0 ? '--permission' : ttlSeconds ? '--ttl' : tool ? '--tool' : undefined
  if (narrowing === undefined) return undefined
  throw new AuthsecError('usage', `${narrowing} needs --audience: a call token is for one API`, {
    hint: 'Add --audience with the address of the API, for example https://billing.example.',
  })
}

function parseCallTtl(text: string): number {
  const seconds = parseSeconds(text)
  if (seconds <= MAX_CALL_TTL) return seconds
  throw new AuthsecError(
    'usage',
    `--ttl ${quote(text)} is more than the ${formatDuration(MAX_CALL_TTL)} that a call token may live`,
    {
      hint: 'Mint a token for each call instead. How long the agent may go on is what delegation grant --ttl says.',
    },
  )
}

function assertReachable(minTtlSeconds: number): void {
  if (minTtlSeconds <= MAX_CALL_TTL) return
  const [wanted, longest] = [formatDuration(minTtlSeconds), formatDuration(MAX_CALL_TTL)]
  throw new AuthsecError(
    'usage',
    `--min-ttl ${wanted} is more than the ${longest} that a call token may live`,
  )
}
