import { AuthsecError, type ErrorCode } from '../core/errors.js'

/** What one check of `authsec doctor` has found. */
export interface Finding {
  name: string
  outcome: 'ok' | 'warning' | 'failed' | 'skipped'
  /** A clause that names what was found; no secret. */
  detail: string
  hint?: string
  /** Of a failure. */
  code?: ErrorCode
}

/** One thing that may be wrong; it finds nothing where there is nothing to say. */
export type Check = () => Promise<Finding | readonly Finding[]>

/** Makes every check, one after the other; what a check throws on purpose is a failure of it. */
export async function diagnose(
  checks: Readonly<Record<string, Check>>,
  onFinding: (finding: Finding) => void,
): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const [name, check] of Object.entries(checks)) {
    const found = await check().catch((error: unknown) => describeFailure(name, error))
    for (const finding of [found].flat()) {
      findings.push(finding)
      onFinding(finding)
    }
  }
  return findings
}

function describeFailure(name: string, error: unknown): Finding {
  if (!AuthsecError.is(error)) throw error
  const { code, message: detail, hint } = error
  return { name, outcome: 'failed', detail, code, ...(hint !== undefined && { hint }) }
}
