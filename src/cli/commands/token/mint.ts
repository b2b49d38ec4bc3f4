import type { Command } from '@commander-js/extra-typings'
import { MAX_CALL_TTL } from '../../../core/delegation.js'
import { formatDuration } from '../../../core/duration.js'
import { AuthsecError } from '../../../core/errors.js'
import { formatScope } from '../../../core/permission.js'
import { quote } from '../../../core/printable.js'
import { formatTime } from '../../../core/time.js'
import { type Connection, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags, collectPermission, parseSeconds } from '../../flags.js'
import { describe } from '../../help.js'
import { type CallTerms, type MintedToken, type MintRequest, mintToken } from '../../minting.js'
import { writePrivateFile } from '../../private-file.js'

/** How the token leaves. */
interface Delivery {
  json: boolean
  header: boolean
  out: string | undefined
}

export function addMint(parent: Command, context: Context): void {
  const command = describe(parent.command('mint'), {
    summary: 'get a delegation token',
    details:
      'With --audience: a call token for that one API, which lives 60 seconds unless --ttl says otherwise. ' +
      'Without: the base token of the client. Standard output is the token and nothing else.',
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
    ],
    exits: [0, 2, 4, 5, 6, 7, ...SERVER_EXITS],
    seeAlso: ['authsec token verify', 'authsec delegation grant'],
  })
    .option('--client <client>', 'the agent, by its UUID or exact name (AUTHSEC_CLIENT_ID)')
    .option('--audience <uri>', 'the API that shall accept the token')
    .option(
      '--permission <permission>',
      'what the token shall allow; repeatable; none: all that may be had',
      collectPermission,
      [],
    )
    .option('--ttl <duration>', 'how long it lives, at most 5m', parseCallTtl)
    .option('--tool <name>', 'the tool that asks, for the API and the audit log')
    .option('--grant', 'delegate first when the agent has no delegation that lasts', false)
    .option('--min-ttl <duration>', 'fail unless it lives that long', parseSeconds)
    .option('--out <file>', 'write the token to a file that only you can read')
    .addOption(
      parent.createOption('--header', 'print it as an Authorization header').default(false).conflicts('out'),
    )
    .addOption(parent.createOption('--json', 'print one JSON object').default(false).conflicts('header'))
  addConnectionFlags(command).action(async (flags) => {
    const { client, grant, minTtl: minTtlSeconds = 0, json, header, out } = flags
    const call = readCallTerms(flags)
    if (call) assertReachable(minTtlSeconds)
    const connection = await openConnection(context, flags)
    await mint(context, connection, { client, grant, call, minTtlSeconds }, { json, header, out })
  })
}

async function mint(
  context: Context,
  connection: Connection,
  request: MintRequest,
  delivery: Delivery,
): Promise<void> {
  const { io, clock, environment } = context
  const minted = await mintToken(connection, clock, request)
  // The runner reads both streams for commands, and only standard error is sure not to be captured.
  if (environment.isGitHubActions) io.complain(`::add-mask::${minted.token}`)
  tellDifferences(context, request.call, minted)
  await deliver(context, minted, delivery)
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

async function deliver({ io, clock }: Context, minted: MintedToken, delivery: Delivery): Promise<void> {
  const { token, expiresAt } = minted
  if (delivery.out !== undefined) await writeToken(delivery.out, token)
  if (delivery.json) {
    io.json({
      ...(delivery.out === undefined ? { token } : { file: delivery.out }),
      kind: minted.kind,
      client_id: minted.clientId,
      audience: minted.audience,
      permissions: minted.permissions,
      expires_at: formatTime(expiresAt),
      expires_in: Math.max(0, Math.floor((expiresAt - clock.now()) / 1000)),
      audit_id: minted.auditId ?? null,
    })
  } else if (delivery.out !== undefined) {
    io.note(`wrote the token to ${quote(delivery.out, 200)}`)
  } else {
    io.line(delivery.header ? `Authorization: Bearer ${token}` : token)
  }
}

async function writeToken(path: string, token: string): Promise<void> {
  try {
    await writePrivateFile(path, `${token}\n`)
  } catch (error) {
    throw new AuthsecError('usage', `${quote(path, 200)} cannot be written`, { cause: error })
  }
}

function readCallTerms(flags: {
  audience?: string | undefined
  permission: readonly string[]
  ttl?: number | undefined
  tool?: string | undefined
}): CallTerms | undefined {
  const { audience, permission: permissions, ttl: ttlSeconds, tool } = flags
  if (audience !== undefined) return { audience, permissions, ttlSeconds, tool }
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
