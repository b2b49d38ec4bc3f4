import { isAbsolute, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import { AuthsecError } from '../core/errors.js'
import { quote, toPrintable } from '../core/printable.js'
import { isJsonObject, type JsonObject } from '../core/strict-json.js'
import { type AnnotationLevel, formatAnnotation } from './github-annotation.js'
import { LINT_LEVELS, LINT_RULES, type LintLevel, type LintRule, type LintSubject } from './lint-rules.js'

/** What a rule has to say about one token. */
export interface LintFinding {
  file: string
  rule: string
  level: LintLevel
  message: string
  /** Why it does not count. */
  suppressed?: string
}

/** A finding that somebody has looked at and accepts. */
export interface Suppression {
  rule: string
  /** Only in tokens of this issuer. */
  iss?: string
  reason: string
}

/** The levels that were chosen for rules; `off` is none. */
export type LintLevels = ReadonlyMap<string, LintLevel | 'off'>

/** Applies every rule to a token. */
export function lintToken(
  file: string,
  token: LintSubject,
  levels: LintLevels,
  suppressions: readonly Suppression[],
): LintFinding[] {
  return LINT_RULES.flatMap((rule): LintFinding[] => {
    const level = levels.get(rule.id) ?? rule.level
    const message = level === 'off' ? undefined : findIn(rule, token)
    if (level === 'off' || message === undefined) return []
    const accepted = suppressions.find(
      ({ rule: id, iss }) => id === rule.id && (iss === undefined || iss === token.claims?.['iss']),
    )
    const finding = { file, rule: rule.id, level, message: toPrintable(message) }
    return [accepted === undefined ? finding : { ...finding, suppressed: accepted.reason }]
  })
}

/** Collects `--rule ID=level`; throws `usage` for a rule or a level that there is not. */
export function collectLevel(text: string, earlier: LintLevels): LintLevels {
  const [, id = '', level = ''] = /^([^=]+)=(.+)$/.exec(text) ?? []
  if (id === '') {
    throw new AuthsecError('usage', `${quote(text)} gives no level`, {
      hint: `Write ID=LEVEL, for example ${LINT_RULES[0]?.id}=off.`,
    })
  }
  assertRule(id, text)
  if (level === 'off' || isLevel(level)) return new Map([...earlier, [id, level]])
  throw new AuthsecError('usage', `${quote(level)} is not a level`, {
    hint: `The levels are ${LINT_LEVELS.join(', ')} and off.`,
  })
}

/** Reads a list of suppressions; each says why. Throws `usage` naming what is wrong. */
export function parseSuppressions(text: string, path: string): Suppression[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new AuthsecError('usage', `${quote(path)} is not JSON`, { cause: error })
  }
  if (!Array.isArray(value)) throw new AuthsecError('usage', `${quote(path)} is not a list of suppressions`)
  return value.map((item) => {
    const { rule, iss, reason } = (isJsonObject(item) ? item : {}) as JsonObject
    assertRule(String(rule), String(rule))
    if (typeof reason !== 'string' || reason.trim() === '') {
      throw new AuthsecError('usage', `the suppression of ${quote(rule)} in ${quote(path)} gives no reason`, {
        hint: 'Write [{"rule": "personal-data", "iss": "https://…", "reason": "…"}].',
      })
    }
    return { rule: String(rule), reason, ...(typeof iss === 'string' && { iss }) }
  })
}

/** How many of the findings that count are at least so bad. */
export function countAtLeast(findings: readonly LintFinding[], level: LintLevel): number {
  const worst = LINT_LEVELS.indexOf(level)
  return findings.filter((found) => isCounted(found) && LINT_LEVELS.indexOf(found.level) <= worst).length
}

/** Whether a finding counts. */
export function isCounted({ suppressed }: LintFinding): boolean {
  return suppressed === undefined
}

/** Findings as annotations of GitHub Actions, a line for each. */
export function formatAnnotations(findings: readonly LintFinding[]): string[] {
  return findings.filter(isCounted).map(({ file, rule, level, message }) => {
    const loudness: AnnotationLevel = level === 'note' ? 'notice' : level
    return formatAnnotation(loudness, message, { file: nameOf(file), title: `authsec token lint: ${rule}` })
  })
}

/** A log as https://docs.oasis-open.org/sarif/sarif/v2.1.0/ describes it. */
export interface SarifLog {
  $schema: string
  version: '2.1.0'
  runs: readonly object[]
}

/** Findings as a SARIF 2.1.0 log. */
export function toSarif(findings: readonly LintFinding[], version: string): SarifLog {
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'authsec',
            version,
            rules: LINT_RULES.map(({ id, level, summary }) => ({
              id,
              shortDescription: { text: summary },
              defaultConfiguration: { level },
            })),
          },
        },
        results: findings.map(({ file, rule, level, message, suppressed }) => ({
          ruleId: rule,
          ruleIndex: LINT_RULES.findIndex(({ id }) => id === rule),
          level,
          message: { text: message },
          locations: [{ physicalLocation: { artifactLocation: { uri: addressOf(file) } } }],
          ...(suppressed !== undefined && {
            suppressions: [{ kind: 'external', justification: suppressed }],
          }),
        })),
      },
    ],
  }
}

function findIn(rule: LintRule, token: LintSubject): string | undefined {
  if (rule.needsClaims && token.claims === undefined) return undefined
  return rule.find({ ...token, claims: token.claims ?? {} })
}

function assertRule(id: string, text: string): void {
  if (LINT_RULES.some((rule) => rule.id === id)) return
  throw new AuthsecError('usage', `${quote(text)} names no rule`, {
    hint: `The rules are ${LINT_RULES.map((rule) => rule.id).join(', ')}.`,
  })
}

function isLevel(text: string): text is LintLevel {
  return (LINT_LEVELS as readonly string[]).includes(text)
}

// SARIF §3.4.3: an address, not a path.
function addressOf(file: string): string {
  if (isAbsolute(file)) return pathToFileURL(file).href
  return file === '-' ? 'stdin' : file.split(sep).map(encodeURIComponent).join('/')
}

function nameOf(file: string): string | undefined {
  return file === '-' ? undefined : file
}
