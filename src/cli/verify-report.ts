import { AuthsecError } from '../core/errors.js'
import type { Inspection } from '../verify/index.js'
import { formatChain, readChain } from './claims-text.js'
import { alignPairs, indent } from './columns.js'
import { findDecisive } from './exit-codes.js'
import { formatAnnotation } from './github-annotation.js'
import type { Io, Style } from './io.js'
import type { Finding } from './verify-demands.js'

/** What was found out about one token. */
export interface Report extends Omit<Inspection, 'checks' | 'profile'> {
  checks: readonly Finding[]
  profile: string
}

/** As wide as what stands before each check. */
const MARK = ' '.repeat(8)

const HINTS: Partial<Record<string, string>> = {
  token_expired: 'Get a new one with authsec token mint, right before each call.',
  token_inactive: 'See authsec audit search for who ended it.',
  permission_missing: 'See authsec token decode for what it carries.',
  issuer_mismatch: 'To believe another issuer, name it with --issuer or in trusted_issuers of the profile.',
}

/** The report for a person: the verdict, each check, and who acted for whom. */
export function formatReport(
  { verified, checks, profile, claims }: Report,
  { width }: Io,
  style: Style,
): string[] {
  const marks = { ok: style.good('ok  '), failed: style.bad('FAIL'), skipped: style.faint('-   ') }
  const verdict = verified ? style.good('VERIFIED') : style.bad('NOT VERIFIED')
  const room = width - MARK.length
  const details = alignPairs(
    checks.map(({ name, detail }) => [name, detail]),
    room,
  )
  const chain = verified ? alignPairs(formatChain(readChain(claims ?? {})), room) : []
  return [
    verified ? `${verdict}  ${profile === 'jwt' ? 'JWT' : `${profile} token`}` : verdict,
    '',
    ...checks.map(({ outcome }, index) => `  ${marks[outcome]}  ${indent(details[index] ?? '', MARK)}`),
    ...(chain.length > 0 ? ['', ...chain.map((line) => `  ${indent(line, '  ')}`)] : []),
  ]
}

/** The report as annotations of a job in GitHub Actions. */
export function annotateReport({ verified, checks }: Report): string[] {
  const title = 'authsec token verify'
  if (verified) return [formatAnnotation('notice', 'the token is verified', { title })]
  const failures = checks.filter(({ outcome }) => outcome === 'failed')
  return failures.map(({ name, detail }) => formatAnnotation('error', `${name}: ${detail}`, { title }))
}

/** Throws the most decisive failure of a report, which names the others. */
export function assertVerified({ checks }: Report): void {
  const failures = checks.flatMap(({ name, code, detail }) =>
    code === undefined ? [] : [{ name, code, detail }],
  )
  const decisive = findDecisive(failures)
  if (decisive === undefined) return
  const others = failures.filter((failure) => failure !== decisive).map(({ name }) => name)
  const said = decisive.name.startsWith('claim ') ? `${decisive.name}: ${decisive.detail}` : decisive.detail
  throw new AuthsecError(decisive.code, said, {
    hint: others.length > 0 ? `Failed as well: ${others.join(', ')}.` : HINTS[decisive.code],
  })
}
