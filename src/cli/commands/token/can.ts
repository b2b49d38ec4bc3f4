import type { Command } from '@commander-js/extra-typings'
import { AuthsecError } from '../../../core/errors.js'
import { toPrintable } from '../../../core/printable.js'
import type { JsonObject } from '../../../core/strict-json.js'
import { formatRelative } from '../../../core/time.js'
import type { Context } from '../../context.js'
import { readPermissions, readTexts } from '../../delegation-hops.js'
import { collectPermission } from '../../flags.js'
import { describe } from '../../help.js'
import { parseTokenInput, readTokenInput } from '../../token-input.js'

/** The answer; it is printed also where the exit code says no. */
export interface Output {
  allowed: boolean
  permission: string
  /** Why not, in words. */
  reasons: readonly string[]
  /** What the token says was believed: token verify checks it. */
  verified: false
}

export function addCan(parent: Command, context: Context): void {
  describe(parent.command('can'), {
    summary: 'tell whether a token allows something',
    details:
      'Answers yes with 0 and no with 10, and says why. It reads what the token says now; whether that is true, ' +
      'token verify tells.',
    examples: [
      [
        'authsec token mint --audience https://billing.example | authsec token can billing:read --audience https://billing.example',
        'would this token do?',
      ],
    ],
    exits: [0, 2, 6, 10, 16],
    seeAlso: ['authsec token verify', 'authsec token needs-renewal'],
    onlyReads: true,
  })
    .argument('<permission>', 'what is to be done, as resource:action')
    .argument('[file]', 'a file that holds the token, or - for standard input', '-')
    .option('--audience <uri>', 'the API where it is to be done')
    .option('--json', 'print one JSON object', false)
    .action(async (permission, source, { audience, json }) => {
      collectPermission(permission, [])
      const { claims } = parseTokenInput(await readTokenInput(context.io, source))
      answer(context, permission, findObstacles(claims, permission, audience, context.clock.now()), json)
    })
}

function answer({ io }: Context, permission: string, obstacles: readonly string[], json: boolean): void {
  const allowed = obstacles.length === 0
  if (json) io.json<Output>({ allowed, permission, reasons: obstacles, verified: false })
  else if (allowed) io.line('yes')
  else for (const obstacle of obstacles) io.line(`no: ${obstacle}`)
  if (!allowed) throw new AuthsecError('answer_no', 'the token does not allow it')
}

function findObstacles(
  claims: JsonObject,
  permission: string,
  audience: string | undefined,
  nowMs: number,
): string[] {
  const { exp, nbf } = claims
  const permissions = readPermissions(claims)
  const named = readTexts(claims['aud'])
  const begins = typeof nbf === 'number' && nbf * 1000 > nowMs
  return [
    ...(permissions.includes(permission) ? [] : [`it carries ${describeList(permissions, ' ')}`]),
    ...(audience === undefined || named.includes(audience) ? [] : [`it is for ${describeList(named, ', ')}`]),
    ...(typeof exp !== 'number' || exp * 1000 > nowMs
      ? []
      : [`it expired ${formatRelative(exp * 1000, nowMs)}`]),
    ...(begins ? [`it begins ${formatRelative(nbf * 1000, nowMs)}`] : []),
  ]
}

function describeList(texts: readonly string[], separator: string): string {
  return texts.length === 0 ? 'nothing' : `only ${texts.map(toPrintable).join(separator)}`
}
