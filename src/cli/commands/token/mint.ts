import type { Command } from '@commander-js/extra-typings'
import { formatDuration } from '../../../core/duration.js'
import { AuthsecError } from '../../../core/errors.js'
import { formatScope } from '../../../core/permission.js'
import { quote } from '../../../core/printable.js'
import { formatTime } from '../../../core/time.js'
import { type Connection, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'
import { addMintFlags, readMintRequest } from '../../mint-flags.js'
import { type CallTerms, type MintedToken, type MintRequest, mintToken } from '../../minting.js'
import { writePrivateFile } from '../../private-file.js'

/** How the token leaves. */
interface Delivery {
  json: boolean
  header: boolean
  out: string | undefined
}

export function addMint(parent: Command, context: Context): void {
  const command = addMintFlags(
    describe(parent.command('mint'), {
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
    }),
  )
    .option('--out <file>', 'write the token to a file that only you can read')
    .addOption(
      parent.createOption('--header', 'print it as an Authorization header').default(false).conflicts('out'),
    )
    .addOption(parent.createOption('--json', 'print one JSON object').default(false).conflicts('header'))
  addConnectionFlags(command).action(async (flags) => {
    const { json, header, out } = flags
    const request = readMintRequest(flags)
    await mint(context, await openConnection(context, flags), request, { json, header, out })
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
