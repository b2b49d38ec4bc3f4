import type { Command } from '@commander-js/extra-typings'
import { listTrustRules, type TrustRule } from '../../../api/trust-rules.js'
import { AuthsecError } from '../../../core/errors.js'
import type { Json } from '../../../core/strict-json.js'
import { type Connection, type ConnectionFlags, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'
import { findJobIdentity } from '../../job-identity.js'
import { tellJob } from '../../job-summary.js'
import { addCallFlags } from '../../mint-flags.js'
import { type CallTerms, exchangeIdentity } from '../../minting.js'
import { addDeliveryFlags, type DeliveredToken, type Delivery, deliverToken } from '../../token-delivery.js'
import { compareRules, printReports, type RuleReport, readRuleFile } from '../../trust-report.js'

/** The call token, or where it was written; with --explain, what each trust rule says to the identity of the job. */
export type Output = DeliveredToken | RuleComparison

interface RuleComparison {
  /** The server alone checks the signature. */
  verified: false
  /** What the identity token says of itself; null where it does not say. */
  identity: { iss: Json; aud: Json; sub: Json }
  /** Whether there is a rule that matches. */
  matches: boolean
  rules: readonly RuleReport[]
}

interface OidcFlags extends ConnectionFlags {
  client?: string | undefined
  identity?: string | undefined
  identityAudience?: string | undefined
}

export function addOidc(parent: Command, context: Context): void {
  const named = describe(parent.command('oidc'), {
    summary: 'exchange the identity of this job for a call token, without any secret',
    details:
      'The identity token comes from GitHub Actions (the job needs permissions: id-token: write), from GitLab CI ' +
      '(id_tokens: AUTHSEC_ID_TOKEN), or from a file. The server has to believe it under a trust rule of the agent, ' +
      'and takes it once: GitHub signs another one for each call, GitLab one for each entry of id_tokens. ' +
      'Standard output is the call token and nothing else; in GitHub Actions it is masked first.',
    examples: [
      [
        'authsec ci oidc --audience https://billing.example --permission billing:read',
        'a token for one call, in a job',
      ],
      ['authsec ci oidc --explain', 'why no trust rule matches, field by field'],
      ['authsec ci oidc --explain --rules rules.json --identity -', 'the same where nobody is logged in'],
    ],
    exits: [0, 2, 4, 5, 6, 7, 14, 16, ...SERVER_EXITS],
    seeAlso: ['authsec trust create', 'authsec ci setup', 'authsec token mint'],
  }).option('--audience <uri>', 'the API that shall accept the call token')
  const command = addCallFlags(named)
    .option('--client <client>', 'the agent to act as, by its UUID or exact name (AUTHSEC_CLIENT_ID)')
    .option('--identity <file>', 'a file that holds the identity token, or - for standard input')
    .option('--identity-audience <text>', 'for whom GitHub signs it; otherwise the server')
    .addOption(
      parent
        .createOption('--explain', 'ask for no token: compare the identity with the trust rules')
        .default(false)
        .conflicts(['audience', 'permission', 'ttl', 'tool', 'out', 'header']),
    )
    .option('--rules <file>', 'with --explain: the rules, as authsec trust list --json prints them')
  addConnectionFlags(addDeliveryFlags(command)).action(async (flags) => {
    if (flags.explain) {
      await explain(context, flags)
      return
    }
    const { audience, permission: permissions, ttl: ttlSeconds, tool, rules } = flags
    if (rules !== undefined) {
      throw new AuthsecError(
        'usage',
        '--rules needs --explain: who gets a token is decided by the rules of the server',
        {
          hint: 'Add --explain to compare the file with the identity, or leave --rules out.',
        },
      )
    }
    if (audience === undefined) {
      throw new AuthsecError('usage', '--audience is missing: a call token is for one API', {
        hint: 'Add the address of the API, or --explain to see which trust rule matches.',
      })
    }
    const call = { audience, permissions, ttlSeconds, tool, args: undefined }
    await exchange(context, flags, call)
  })
}

async function exchange(context: Context, flags: OidcFlags & Delivery, call: CallTerms): Promise<void> {
  try {
    const connection = await openConnection(context, flags)
    const { identity: source, identityAudience: audience = connection.target.serverUrl } = flags
    const { token: assertion } = await findJobIdentity(context, {
      source,
      findAudience: async () => audience,
    })
    const request = { client: flags.client, assertion, call }
    const minted = await exchangeIdentity(connection, context.clock, request)
    await deliverToken(context, minted, flags)
    await tellJob(context, minted)
  } catch (error) {
    if (AuthsecError.is(error)) await tellJob(context, error)
    throw error
  }
}

async function explain(
  context: Context,
  flags: OidcFlags & { rules?: string | undefined; json: boolean },
): Promise<void> {
  const { io } = context
  const { rules: file, json, identity: source, identityAudience } = flags
  let connection: Promise<Connection> | undefined
  const connect = () => {
    connection ??= openConnection(context, flags)
    return connection
  }
  const rules = file === undefined ? await findRules(await connect(), flags) : await readRuleFile(io, file)
  const findAudience = async () => identityAudience ?? (await connect()).target.serverUrl
  const { claims } = await findJobIdentity(context, { source, findAudience })
  const reports = compareRules(rules, claims)
  const matches = reports.some((report) => report.matches)
  if (!matches) context.status.code = 14
  if (json) {
    const { iss = null, aud = null, sub = null } = claims
    io.json<Output>({ verified: false, identity: { iss, aud, sub }, matches, rules: reports })
    return
  }
  await printReports(io, reports)
  if (reports.length === 0) io.note('there is no trust rule: make one with authsec trust create')
  io.note('the signature of the identity token is checked by the server only')
}

async function findRules({ target, clientId }: Connection, flags: OidcFlags): Promise<TrustRule[]> {
  if (target.session === undefined) {
    throw new AuthsecError('login_required', 'only an admin sees the trust rules of a server', {
      hint: 'Log in, or have an admin write them with authsec trust list --json, and name the file with --rules.',
    })
  }
  const wanted = flags.client ?? clientId
  const rules = await listTrustRules(target)
  const mine = rules.filter(({ client_id }) => client_id === wanted)
  return mine.length > 0 ? mine : rules
}
