import type { Command } from '@commander-js/extra-typings'
import { AuthsecError } from '../../../core/errors.js'
import type { Context } from '../../context.js'
import { parseSeconds } from '../../flags.js'
import { describe } from '../../help.js'
import { LINT_LEVELS, LINT_RULES, type LintLevel } from '../../lint-rules.js'
import {
  collectLevel,
  countAtLeast,
  formatAnnotations,
  isCounted,
  type LintFinding,
  type LintLevels,
  lintToken,
  parseSuppressions,
  type SarifLog,
  type Suppression,
  toSarif,
} from '../../linting.js'
import { readTextFile } from '../../text-file.js'
import { type Anatomy, dissectToken } from '../../token-anatomy.js'
import { readTokenInput } from '../../token-input.js'
import { isDelegationToken } from '../../verify-trust.js'

/** What was found in the tokens, also what does not count; with --report sarif a SARIF log is printed instead. */
export type Output = readonly LintFinding[]

interface LintFlags {
  rule: LintLevels
  failOn: LintLevel
  refreshBuffer?: number | undefined
  report?: 'github' | 'sarif' | undefined
  json: boolean
}

/** How early AuthSec's own SDKs replace a base token, in seconds. */
const SDK_REFRESH_BUFFER = 300

export function addLint(parent: Command, context: Context): void {
  describe(parent.command('lint'), {
    summary: 'find what makes a token weak, large or indiscreet',
    details:
      'Looks at the token only, verifies nothing and calls nobody. Rules have stable ids: give one another level ' +
      'with --rule, or accept a finding in a file of suppressions, each with its reason. No value of a claim is ' +
      `repeated. The rules: ${LINT_RULES.map(({ id }) => id).join(', ')}.`,
    examples: [
      ['authsec token mint | authsec token lint', 'what is to be said about a fresh token'],
      ['authsec token lint token.jwt --rule kid-missing=off --fail-on error', 'fail for errors only'],
      ['authsec token lint tokens/*.jwt --report sarif > lint.sarif', 'for a code scanner'],
    ],
    exits: [0, 2, 6, 16, 17],
    seeAlso: ['authsec token verify', 'authsec token decode'],
    onlyReads: true,
  })
    .argument('[files...]', 'files that hold a token each, or - for standard input')
    .option(
      '--rule <id=level>',
      'another level for a rule: error, warning, note or off; repeatable',
      collectLevel,
      new Map(),
    )
    .addOption(
      parent
        .createOption('--fail-on <level>', 'from which level on the exit code is 17')
        .choices(LINT_LEVELS)
        .default('warning' satisfies LintLevel as LintLevel),
    )
    .option('--suppressions <file>', 'findings that are accepted: [{"rule", "iss"?, "reason"}]')
    .option(
      '--refresh-buffer <duration>',
      `how early the token is replaced; base tokens: ${SDK_REFRESH_BUFFER}s, as AuthSec's SDKs do`,
      parseSeconds,
    )
    .addOption(
      parent.createOption('--report <form>', 'print for a CI system').choices(['github', 'sarif'] as const),
    )
    .addOption(parent.createOption('--json', 'print a JSON array').default(false).conflicts('report'))
    .action(async (files, { suppressions: path, ...flags }) => {
      const suppressions = path === undefined ? [] : await readSuppressions(path)
      await lint(context, files.length > 0 ? files : ['-'], flags, suppressions)
    })
}

async function lint(
  context: Context,
  files: readonly string[],
  flags: LintFlags,
  suppressions: readonly Suppression[],
): Promise<void> {
  const { io, readVersion } = context
  const findings: LintFinding[] = []
  for (const file of files) findings.push(...(await lintFile(context, file, flags, suppressions)))

  const counted = findings.filter(isCounted)
  if (flags.json) io.json<Output>(findings)
  else if (flags.report === 'sarif') io.json<SarifLog>(toSarif(findings, readVersion()))
  else if (flags.report === 'github') for (const line of formatAnnotations(findings)) io.line(line)
  else if (counted.length > 0) {
    const rows = counted.map(({ file, level, rule, message }) => [file, level, rule, message])
    await io.table(['file', 'level', 'rule', 'message'], rows)
  }
  if (counted.length < findings.length) io.note(`${findings.length - counted.length} suppressed`)
  const failing = countAtLeast(findings, flags.failOn)
  if (failing > 0) {
    throw new AuthsecError('findings', `${failing} of the findings count as ${flags.failOn} or worse`, {
      hint: 'Mend them, or accept one with --rule ID=off or a suppression.',
    })
  }
  if (counted.length === 0) io.note('nothing found')
}

async function lintFile(
  { io, clock }: Context,
  file: string,
  { rule: levels, refreshBuffer }: LintFlags,
  suppressions: readonly Suppression[],
): Promise<LintFinding[]> {
  const { token, file: path } = await readTokenInput(io, file)
  const anatomy = dissectToken(token, path)
  const claims = anatomy.claims ?? anatomy.inner?.claims
  const kind = claims === undefined ? 'other' : kindOf(anatomy, claims)
  const subject = {
    header: anatomy.header,
    claims,
    size: token.length,
    kind,
    now: clock.now() / 1000,
    refreshBuffer: refreshBuffer ?? (kind === 'base' ? SDK_REFRESH_BUFFER : undefined),
  } as const
  return lintToken(file, subject, levels, suppressions)
}

function kindOf({ header }: Anatomy, claims: NonNullable<Anatomy['claims']>): 'call' | 'base' | 'other' {
  if (!isDelegationToken({ header, claims })) return 'other'
  return String(claims['iss']).startsWith('spiffe://') ? 'base' : 'call'
}

async function readSuppressions(path: string): Promise<Suppression[]> {
  return parseSuppressions(await readTextFile(path), path)
}
