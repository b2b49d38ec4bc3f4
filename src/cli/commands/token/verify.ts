import type { Command } from '@commander-js/extra-typings'
import { fetchMetadata } from '../../../api/metadata.js'
import { parseDuration } from '../../../core/duration.js'
import { AuthsecError } from '../../../core/errors.js'
import { quote } from '../../../core/printable.js'
import type {
  CheckResult,
  Inspection,
  JsonWebKeySet,
  ProfileName,
  VerifierOptions,
} from '../../../verify/index.js'
import { formatChain, readChain } from '../../claims-text.js'
import { alignPairs } from '../../columns.js'
import { readJsonFile } from '../../config.js'
import { type Connection, type ConnectionFlags, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { findDecisive, SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags, collect, collectPermission } from '../../flags.js'
import { describe } from '../../help.js'
import type { Style } from '../../io.js'
import { parseTokenInput, readTokenInput, type TokenInput } from '../../token-input.js'

interface VerifyRequest {
  input: TokenInput
  /** Whom to believe, and as which kinds of token. */
  trust: Omit<VerifierOptions, 'audience'>
  /** None: the audience is not checked, and the report says so. */
  audience: readonly string[]
  permissions: readonly string[]
  /** How long after its expiry a token still counts, in seconds. */
  leewaySeconds: number
  json: boolean
}

interface TrustFlags extends ConnectionFlags {
  issuer?: string | undefined
  jwks?: string | undefined
  typ?: keyof typeof PROFILE_OF_TYPE | undefined
}

const PROFILE_OF_TYPE = { 'at+jwt': 'call', JWT: 'base' } as const satisfies Record<string, ProfileName>

/** In seconds; what the verifier allows at most. */
const MAX_LEEWAY = 5

/** Stands for an audience nobody has, where none is to be checked. */
const NO_AUDIENCE = 'urn:authsec:unchecked'

export function addVerify(parent: Command, context: Context): void {
  const command = describe(parent.command('verify'), {
    summary: 'check a token as an API would',
    details:
      'Makes every check and lists them; the exit code names the most decisive failure, so a script may ask ' +
      'for a new token on 11. There is no leeway on the expiry. What the token says about its own keys or ' +
      'issuer decides nothing.',
    examples: [
      [
        'authsec token verify - --audience https://billing.example --permission billing:read < token.jwt',
        'as the billing API would',
      ],
      [
        'authsec token verify token.jwt --issuer https://auth.example --jwks keys.json --audience https://billing.example',
        'offline, with keys from a file',
      ],
    ],
    exits: [0, 2, 11, 12, 13, 14, 16, ...SERVER_EXITS],
    seeAlso: ['authsec token decode', 'authsec help exit-codes'],
  })
    .argument('[file]', 'a file that holds the token, or - for standard input', '-')
    .option('--audience <uri>', 'the API that the token has to be for; repeatable: one of them', collect, [])
    .option(
      '--permission <permission>',
      'what it has to allow; repeatable: all of them',
      collectPermission,
      [],
    )
    .option('--issuer <url>', 'whose tokens to believe, instead of the server in use')
    .option('--jwks <file|url>', 'the keys of that issuer, instead of those it publishes')
    .addOption(
      parent
        .createOption('--typ <typ>', 'the kind of token, instead of either')
        .choices(['at+jwt', 'JWT'] as const),
    )
    .option(
      '--leeway <duration>',
      `how long after its expiry it still counts, at most ${MAX_LEEWAY}s`,
      parseLeeway,
      0,
    )
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(command).action(async (source, flags) => {
    const input = await readTokenInput(context.io, source)
    // What is no token at all needs no keys, and nobody to ask for them.
    parseTokenInput(input)
    const { audience, permission: permissions, leeway: leewaySeconds, json } = flags
    const trust = await readTrust(context, flags)
    await verify(context, { input, trust, audience, permissions, leewaySeconds, json })
  })
}

async function verify({ io, clock, fetch }: Context, request: VerifyRequest): Promise<void> {
  const { createVerifier } = await import('../../../verify/index.js')
  const audience = request.audience.length > 0 ? request.audience : [NO_AUDIENCE]
  const verifier = createVerifier({
    ...request.trust,
    audience,
    clockToleranceSeconds: request.leewaySeconds,
    clock: clock.now,
    fetch,
  })
  const inspection = await verifier.inspect(request.input.token, { permissions: request.permissions })
  const report = request.audience.length > 0 ? inspection : withoutAudience(inspection)
  if (request.json)
    io.json({ ...report, chain: readChain(report.claims ?? {}), stripped: request.input.stripped })
  else for (const line of formatReport(report, await io.style())) io.line(line)
  assertVerified(report)
}

function withoutAudience(inspection: Inspection): Inspection {
  const checks = inspection.checks.map((check): CheckResult => {
    if (check.name !== 'audience') return check
    return { name: 'audience', outcome: 'skipped', detail: 'NOT CHECKED, because --audience is not given' }
  })
  return { ...inspection, checks, verified: checks.every(({ outcome }) => outcome !== 'failed') }
}

function formatReport({ verified, checks, profile, claims }: Inspection, style: Style): string[] {
  const marks = { ok: style.good('ok  '), failed: style.bad('FAIL'), skipped: style.faint('-   ') }
  const verdict = verified ? style.good('VERIFIED') : style.bad('NOT VERIFIED')
  const details = alignPairs(checks.map(({ name, detail }) => [name, detail]))
  const chain = verified ? alignPairs(formatChain(readChain(claims ?? {}))) : []
  return [
    verified ? `${verdict}  ${profile} token` : verdict,
    '',
    ...checks.map(({ outcome }, index) => `  ${marks[outcome]}  ${details[index]}`),
    ...(chain.length > 0 ? ['', ...chain.map((line) => `  ${line}`)] : []),
  ]
}

function assertVerified({ checks }: Inspection): void {
  const failures = checks.flatMap(({ name, code, detail }) =>
    code === undefined ? [] : [{ name, code, detail }],
  )
  const decisive = findDecisive(failures)
  if (decisive === undefined) return
  const others = failures.filter((failure) => failure !== decisive).map(({ name }) => name)
  throw new AuthsecError(decisive.code, decisive.detail, {
    hint: others.length > 0 ? `Failed as well: ${others.join(', ')}.` : HINTS[decisive.code],
  })
}

const HINTS: Partial<Record<string, string>> = {
  token_expired: 'Get a new one with authsec token mint, right before each call.',
  permission_missing: 'See authsec token decode for what it carries.',
}

function parseLeeway(text: string): number {
  const seconds = parseDuration(text)
  if (seconds <= MAX_LEEWAY) return seconds
  throw new AuthsecError('usage', `${quote(text)} is more leeway than ${MAX_LEEWAY}s`, {
    hint: 'A token that has to live longer should be asked for with a longer --ttl.',
  })
}

async function readTrust(context: Context, flags: TrustFlags): Promise<VerifyRequest['trust']> {
  const { issuer, jwks, server, typ } = flags
  if (server !== undefined && (issuer !== undefined || jwks !== undefined)) {
    throw new AuthsecError('usage', '--server is given together with --issuer or --jwks', {
      hint: 'Name the server, or the issuer whose tokens to believe.',
    })
  }
  const profile = typ && PROFILE_OF_TYPE[typ]
  if (jwks === undefined) {
    const connection = await openConnection(context, { ...flags, server: issuer ?? server })
    const tenant = connection.tenantId ?? (await askTenant(connection))
    // Base tokens are signed for a tenant: without one there are none to believe.
    const profiles: ProfileName[] = tenant === undefined ? ['call'] : ['call', 'base']
    return { serverUrl: connection.target.serverUrl, tenant, profiles: profile ? [profile] : profiles }
  }
  const keys = await readKeys(jwks)
  if (profile === 'base') return { jwks: keys, tenant: context.environment.tenantId, profiles: ['base'] }
  if (issuer === undefined) {
    throw new AuthsecError('usage', '--jwks needs --issuer: keys are believed for one issuer', {
      hint: 'Add --issuer with the address that stands in iss.',
    })
  }
  return { issuer, jwks: keys, profiles: ['call'] }
}

async function askTenant({ target }: Connection): Promise<string | undefined> {
  try {
    return (await fetchMetadata(target)).tenantId
  } catch (error) {
    // A server that says nothing about itself: the verifier tells what that means for the token.
    if (AuthsecError.is(error, 'not_found')) return undefined
    throw error
  }
}

async function readKeys(source: string): Promise<URL | JsonWebKeySet> {
  if (/^https?:\/\//.test(source)) return new URL(source)
  const keys = await readJsonFile(source)
  if (keys === undefined) throw new AuthsecError('not_found', `there is no file ${quote(source)}`)
  if ('kty' in keys) return { keys: [keys] } as unknown as JsonWebKeySet
  if (Array.isArray(keys['keys'])) return keys as unknown as JsonWebKeySet
  throw new AuthsecError('usage', `${quote(source)} is not a key set`, {
    hint: 'Give a file with a JWK or a JWK set in it, or the URL of one.',
  })
}
