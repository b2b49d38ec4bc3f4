import type { Command } from '@commander-js/extra-typings'
import { formatDuration } from '../../../core/duration.js'
import { AuthsecError } from '../../../core/errors.js'
import { formatScope } from '../../../core/permission.js'
import { readCarriedToken } from '../../carried-token.js'
import { type ConnectionFlags, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe, type HelpNotes } from '../../help.js'
import { addMintFlags, readMintRequest } from '../../mint-flags.js'
import { type CallTerms, exchangeCarried, type MintedToken, mintToken } from '../../minting.js'
import { readArguments } from '../../text-input.js'
import {
  addDeliveryFlags,
  type DeliverableToken,
  type DeliveredToken,
  deliverToken,
} from '../../token-delivery.js'

/** The token, or where it was written. */
export type Output = DeliveredToken

interface MintFlags extends ConnectionFlags {
  client?: string | undefined
  audience?: string | undefined
  permission: readonly string[]
  ttl?: number | undefined
  tool?: string | undefined
  call?: string | undefined
  subject?: string | undefined
  grant: boolean
  minTtl?: number | undefined
  local: boolean
  key?: string | undefined
  claims?: string | undefined
  issuer?: string | undefined
}

export function addMint(parent: Command, context: Context): void {
  const notes: HelpNotes = {
    summary: 'get a delegation token',
    details:
      'With --audience: a call token for that one API, which lives 60 seconds unless --ttl says otherwise. ' +
      'Without: the base token of the client. With --local a key of your own signs, and nobody is asked: for tests ' +
      'of an API that trusts that key. Standard output is the token and nothing else.',
    examples: [
      [
        'authsec token mint --audience https://billing.example --permission billing:read',
        'a token for one call',
      ],
      [
        'curl -H "$(authsec token mint --audience https://billing.example --header)" http://127.0.0.1:8080/',
        'call an API with it',
      ],
      ['authsec token mint --client billing-bot --grant', 'the base token, delegating first if need be'],
      [
        'authsec token mint --audience https://billing.example --tool refund --call arguments.json',
        'good for one call of one tool only',
      ],
      [
        'authsec token mint --local --key private.pem --issuer https://auth.test --audience https://billing.example',
        'offline, for a test',
      ],
    ],
    exits: [0, 2, 4, 5, 6, 7, 16, ...SERVER_EXITS],
    seeAlso: ['authsec token verify', 'authsec token exchange', 'authsec delegation grant'],
  }
  const command = addMintFlags(describe(parent.command('mint'), notes))
    .option(
      '--call <file>',
      'the arguments of the one call it is for, as JSON; - for standard input; needs --tool',
    )
    .addOption(
      parent
        .createOption(
          '--subject <file>',
          'the token of the user it is for, or - for standard input; the client acts',
        )
        .conflicts('grant'),
    )
    .addOption(
      parent
        .createOption('--local', 'sign with a key of your own and ask nobody')
        .default(false)
        .conflicts(['client', 'subject', 'grant', 'call', 'server', 'profile']),
    )
    .option('--key <file>', 'the private key for --local: PEM or JWK')
    .option('--issuer <url>', 'who issues it, for --local')
    .option('--claims <file>', 'more claims as a JSON object, for --local; they win')
  addConnectionFlags(addDeliveryFlags(command)).action(async (flags) => {
    assertTogether(flags)
    const minted = flags.local ? await mintLocal(context, flags) : await mintRemote(context, flags)
    await deliverToken(context, minted, flags)
  })
}

async function mintLocal({ clock }: Context, flags: MintFlags): Promise<DeliverableToken> {
  const { mintLocally } = await import('../../local-minting.js')
  const { key: keyFile = '', claims: claimsFile, issuer, audience, permission, ttl, tool } = flags
  const request = { keyFile, claimsFile, issuer, audience, permissions: permission, ttlSeconds: ttl, tool }
  return await mintLocally(request, clock)
}

async function mintRemote(context: Context, flags: MintFlags): Promise<MintedToken> {
  const { io, clock } = context
  const request = readMintRequest(flags)
  const args = flags.call === undefined ? undefined : await readArguments(io, flags.call)
  const call = request.call && { ...request.call, args }
  const subject = flags.subject === undefined ? undefined : await readCarriedToken(io, flags.subject)
  const connection = await openConnection(context, flags)
  const minted =
    subject !== undefined && call !== undefined
      ? await exchangeCarried(connection, clock, { ...request, subject, actor: undefined, call })
      : await mintToken(connection, clock, { ...request, call })
  tellDifferences(context, call, minted)
  return minted
}

function tellDifferences({ io, clock }: Context, call: CallTerms | undefined, minted: MintedToken): void {
  if (call === undefined) return
  const lives = Math.round((minted.expiresAt - clock.now()) / 1000)
  // A second may pass between the server's clock and ours.
  if (call.ttlSeconds !== undefined && lives < call.ttlSeconds - 1) {
    const [actual, asked] = [formatDuration(Math.max(0, lives)), formatDuration(call.ttlSeconds)]
    io.warn(`the token lives ${actual}, not the ${asked} asked for: its delegation ends then`)
  }
  if (call.permissions.length === 0) {
    io.note(`no permission was asked for: the token carries ${formatScope(minted.permissions)}`)
  }
}

function assertTogether(flags: MintFlags): void {
  const { local, key, issuer, claims, audience, call, tool, subject } = flags
  if (local && key === undefined) {
    throw new AuthsecError('usage', '--local needs --key', {
      hint: 'Give the private key that signs, in a file.',
    })
  }
  const stray = local
    ? undefined
    : Object.entries({ key, issuer, claims }).find(([, value]) => value !== undefined)
  if (stray !== undefined) {
    throw new AuthsecError('usage', `--${stray[0]} is for --local`, { hint: 'A server decides that itself.' })
  }
  if (call !== undefined && tool === undefined) {
    throw new AuthsecError('usage', '--call needs --tool: a call is one of a tool', {
      hint: 'Add --tool with its name.',
    })
  }
  const narrowing = (['call', 'subject'] as const).find((name) => flags[name] !== undefined)
  if (narrowing !== undefined && audience === undefined) {
    throw new AuthsecError('usage', `--${narrowing} needs --audience: a call token is for one API`, {
      hint: 'Add --audience with the address of the API, for example https://billing.example.',
    })
  }
  if (call === '-' && subject === '-') {
    throw new AuthsecError('usage', 'standard input cannot be both --call and --subject', {
      hint: 'Put one of them into a file.',
    })
  }
}
