import type { Command } from '@commander-js/extra-typings'
import { parseCallArguments } from '../../../core/call-binding.js'
import { parseDuration } from '../../../core/duration.js'
import { AuthsecError } from '../../../core/errors.js'
import type { ParsedJwt } from '../../../core/jwt.js'
import { quote } from '../../../core/printable.js'
import { formatTime, parseTime } from '../../../core/time.js'
import { ALGORITHMS, type Algorithm, isAlgorithm } from '../../../verify/algorithm.js'
import type { Inspection } from '../../../verify/index.js'
import { type ChainLink, readChain } from '../../claims-text.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags, collect, collectPermission } from '../../flags.js'
import { describe } from '../../help.js'
import { readArguments } from '../../text-input.js'
import { parseTokenInput, readTokenInput, type TokenInput } from '../../token-input.js'
import {
  checkAlgorithm,
  checkPermissions,
  checkRequirement,
  checkType,
  type Finding,
  parseRequirement,
  type Requirement,
} from '../../verify-demands.js'
import { annotateReport, assertVerified, formatReport, type Report } from '../../verify-report.js'
import { readTrust, type Trust, type TrustFlags } from '../../verify-trust.js'

/** Each check that was made, and what the token says; it is printed also where the exit code says that a check failed. */
export interface Output extends Report {
  /** Who acts for whom: the person first, then the agent that acts, then those before it. */
  chain: readonly ChainLink[]
  /** What stood around the token and was taken off. */
  stripped: readonly string[]
}

interface VerifyFlags extends TrustFlags {
  /** None: the audience is not checked, and the report says so. */
  audience: readonly string[]
  permission: readonly string[]
  tool?: string | undefined
  /** A file with the arguments of the call. */
  call?: string | undefined
  require: readonly Requirement[]
  alg: readonly string[]
  /** How long after its expiry a token still counts, in seconds. */
  leeway: number
  at?: string | undefined
  online: boolean
  report?: 'github' | undefined
  json: boolean
}

/** In seconds; what the verifier allows at most. */
const MAX_LEEWAY = 5

/** Stands for an audience nobody has, where none is to be checked. */
const NO_AUDIENCE = 'urn:authsec:unchecked'

export function addVerify(parent: Command, context: Context): void {
  const command = describe(parent.command('verify'), {
    summary: 'check a token as an API would',
    details:
      'Makes every check and lists them; the exit code names the most decisive failure, so a script may ask ' +
      'for a new token on 11. There is no leeway on the expiry. Any JWT is checked, not only those of AuthSec. The ' +
      'server in use is believed, and the issuers under trusted_issuers of its profile; what the token says about ' +
      'its own keys or issuer decides nothing.',
    examples: [
      [
        'authsec token verify - --audience https://billing.example --permission billing:read < token.jwt',
        'as the billing API would',
      ],
      [
        'authsec token verify token.jwt --issuer https://auth.example --jwks keys.json --audience https://billing.example',
        'offline, with keys from a file',
      ],
      [
        'authsec token verify id.jwt --issuer https://token.actions.githubusercontent.com --require repository_owner_id=42',
        'the identity token of a GitHub workflow, whose issuer publishes its keys',
      ],
      [
        'authsec token verify bound.jwt --audience https://billing.example --tool refund --call arguments.json',
        'a token that is good for one call of one tool',
      ],
      ['authsec token verify token.jwt --at 2026-03-01T10:02:11Z', 'would it have been valid then?'],
    ],
    exits: [0, 2, 4, 6, 11, 12, 13, 14, 15, 16, ...SERVER_EXITS],
    seeAlso: ['authsec token decode', 'authsec token lint', 'authsec help exit-codes'],
    onlyReads: true,
  })
    .argument('[file]', 'a file that holds the token, or - for standard input', '-')
    .option('--audience <uri>', 'the API that the token has to be for; repeatable: one of them', collect, [])
    .option(
      '--permission <permission>',
      'what it has to allow; repeatable: all of them',
      collectPermission,
      [],
    )
    .option('--tool <name>', 'the tool that it has to be for')
    .option(
      '--call <file>',
      'the arguments that it has to be bound to, as JSON; - for standard input; needs --tool',
    )
    .option('--issuer <url>', 'whose tokens to believe, instead of the server in use')
    .option('--jwks <file|url>', 'the keys of that issuer, instead of those it publishes')
    .option('--key <file>', 'the one key to believe: PEM, certificate or JWK')
    .option(
      '--alg <algorithm>',
      'the algorithm it has to be signed with; repeatable: one of them',
      collect,
      [],
    )
    .option('--typ <typ>', 'the type that its header has to name, as at+jwt')
    .option(
      '--require <claim[=value]>',
      'a claim that has to be there, and what it has to say; repeatable',
      (text: string, earlier: Requirement[]) => [...earlier, parseRequirement(text)],
      [],
    )
    .option(
      '--leeway <duration>',
      `how long after its expiry it still counts, at most ${MAX_LEEWAY}s`,
      parseLeeway,
      0,
    )
    .option(
      '--at <time>',
      'as of another time, such as 2026-03-01T10:02:11Z or 15m for a quarter of an hour ago',
    )
    .option('--online', 'also ask the server whether it is revoked; needs an admin session', false)
    .addOption(
      parent
        .createOption('--report <form>', 'print annotations for a CI system')
        .choices(['github'] as const),
    )
    .addOption(parent.createOption('--json', 'print one JSON object').default(false).conflicts('report'))
  addConnectionFlags(command).action(async (source, flags) => {
    assertTogether(source, flags)
    const input = await readTokenInput(context.io, source)
    // What is no token at all needs no keys, and nobody to ask for them.
    const jwt = parseTokenInput(input)
    await verify(context, flags, input, jwt)
  })
}

async function verify(
  context: Context,
  flags: VerifyFlags,
  input: TokenInput,
  jwt: ParsedJwt,
): Promise<void> {
  const { io } = context
  const report = await examine(context, flags, input.token, jwt)
  if (flags.json) io.json<Output>({ ...report, chain: readChain(jwt.claims), stripped: input.stripped })
  else if (flags.report === 'github') for (const line of annotateReport(report)) io.line(line)
  else for (const line of formatReport(report, io, await io.style())) io.line(line)
  assertVerified(report)
}

async function examine(context: Context, flags: VerifyFlags, token: string, jwt: ParsedJwt): Promise<Report> {
  const { clock } = context
  const algorithms = readAlgorithms(flags.alg)
  const at = flags.at === undefined ? undefined : parseTime(flags.at, clock.now())
  const trust = await readTrust(context, flags, jwt)
  const inspection = await inspect(context, flags, token, trust, algorithms, at)
  const checks = [
    { name: 'time', outcome: 'skipped', detail: at === undefined ? '' : `as of ${formatTime(at)}` } as const,
    ...joinChecks(openChecks(inspection.checks, flags, trust), checkDemands(jwt, flags, trust, inspection)),
    ...(flags.online && !isKeyless(trust) ? [await checkOnline(context, flags, token)] : []),
  ].filter(({ detail }) => detail !== '')
  return {
    verified: checks.every(({ outcome }) => outcome !== 'failed'),
    checks,
    profile: trust.kind === 'foreign' ? 'jwt' : (inspection.profile ?? 'jwt'),
    header: jwt.header,
    claims: jwt.claims,
  }
}

async function inspect(
  { io, clock, fetch }: Context,
  { audience: named, permission: permissions, tool, call, leeway }: VerifyFlags,
  token: string,
  trust: Trust,
  algorithms: readonly Algorithm[],
  at: number | undefined,
): Promise<Inspection> {
  const audience = named.length > 0 ? named : [NO_AUDIENCE]
  const now = at === undefined ? clock.now : () => at
  if (trust.kind === 'foreign') {
    const { inspectForeignToken } = await import('../../foreign-token.js')
    if (!isKeyless(trust)) assertNoBinding(tool)
    const { issuer, keys } = trust
    const expected = { issuer, keys, audience, algorithms, leewaySeconds: leeway, clock: now, fetch }
    return await inspectForeignToken(token, expected)
  }
  const { createVerifier } = await import('../../../verify/index.js')
  const verifier = createVerifier({
    ...trust.options,
    audience,
    ...(algorithms.length > 0 && { algorithms }),
    clockToleranceSeconds: leeway,
    clock: now,
    fetch,
  })
  const args = call === undefined ? undefined : parseCallArguments(await readArguments(io, call))
  return await verifier.inspect(token, {
    permissions,
    ...(tool !== undefined && { tool }),
    ...(args && { call: args }),
  })
}

// What is of another issuer than the one that is believed, that one need not be asked about.
function isKeyless(trust: Trust): boolean {
  return trust.kind === 'foreign' && trust.keys === 'none'
}

// A demand takes the place of the check that asks the same, unless that has failed already.
function joinChecks(checks: readonly Finding[], demands: readonly Finding[]): Finding[] {
  const hasFailed = ({ name }: Finding) =>
    checks.some((check) => check.name === name && check.outcome === 'failed')
  const left = demands.filter((demand) => !hasFailed(demand))
  const joined = checks.map((check) => left.find(({ name }) => name === check.name) ?? check)
  return [...joined, ...left.filter((demand) => !joined.includes(demand))]
}

// What nobody asked to be checked is said to be unchecked, and decides nothing.
function openChecks(checks: readonly Finding[], flags: VerifyFlags, trust: Trust): Finding[] {
  const open: Readonly<Record<string, string | undefined>> = {
    audience: flags.audience.length > 0 ? undefined : 'NOT CHECKED, because --audience is not given',
    issuer: trust.isIssuerOpen ? 'NOT CHECKED, because --issuer is not given' : undefined,
    tenant: trust.isIssuerOpen ? 'NOT CHECKED, because AUTHSEC_TENANT is not set' : undefined,
  }
  return checks.map((check) => {
    const detail = Object.hasOwn(open, check.name) ? open[check.name] : undefined
    return detail === undefined ? check : { name: check.name, outcome: 'skipped', detail }
  })
}

function checkDemands(
  { header, claims }: ParsedJwt,
  { typ, alg, permission, require }: VerifyFlags,
  trust: Trust,
  { profile }: Inspection,
): Finding[] {
  const isForeign = trust.kind === 'foreign'
  return [
    ...(typ === undefined ? [] : [checkType(header, typ)]),
    // Base tokens have one algorithm only, whatever a verifier is told.
    ...(alg.length > 0 && !isForeign && profile === 'base' ? [checkAlgorithm(header, alg)] : []),
    ...(permission.length > 0 && isForeign ? [checkPermissions(claims, permission)] : []),
    ...require.map((requirement) => checkRequirement(claims, requirement)),
  ]
}

async function checkOnline(context: Context, flags: VerifyFlags, token: string): Promise<Finding> {
  const serverTrust = await import('../../server-trust.js')
  return await serverTrust.checkOnline(context, flags, token)
}

function assertTogether(source: string, { tool, call }: VerifyFlags): void {
  if (call === undefined) return
  if (tool === undefined) {
    throw new AuthsecError('usage', '--call needs --tool: a call is one of a tool', {
      hint: 'Add --tool with its name.',
    })
  }
  if (source === '-' && call === '-') {
    throw new AuthsecError('usage', 'standard input cannot be both the token and --call', {
      hint: 'Put one of them into a file.',
    })
  }
}

function assertNoBinding(tool: string | undefined): void {
  if (tool === undefined) return
  throw new AuthsecError('usage', 'the token is no delegation token: nothing binds it to a tool', {
    hint: 'Leave --tool and --call out, or check a claim with --require.',
  })
}

function parseLeeway(text: string): number {
  const seconds = parseDuration(text)
  if (seconds <= MAX_LEEWAY) return seconds
  throw new AuthsecError('usage', `${quote(text)} is more leeway than ${MAX_LEEWAY}s`, {
    hint: 'A token that has to live longer should be asked for with a longer --ttl.',
  })
}

function readAlgorithms(names: readonly string[]): Algorithm[] {
  const wrong = names.find((name) => !isAlgorithm(name))
  if (wrong === undefined) return names.filter(isAlgorithm)
  throw new AuthsecError('usage', `the algorithm ${quote(wrong)} cannot be allowed`, {
    hint: `Allow signatures by public keys: ${[...ALGORITHMS.keys()].join(', ')}.`,
  })
}
