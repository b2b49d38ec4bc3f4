import { readTrustRule, type TrustRule } from '../api/trust-rules.js'
import { AuthsecError } from '../core/errors.js'
import { quote, toPrintable } from '../core/printable.js'
import { type JsonObject, parseStrictJson } from '../core/strict-json.js'
import { compareTrust, type TrustComparison } from '../core/trust-rule.js'
import { alignPairs } from './columns.js'
import type { Io } from './io.js'
import { readDeclaration } from './text-input.js'

/** How one rule compares with an identity. */
export interface RuleReport {
  name: string
  client_id: string
  matches: boolean
  fields: readonly TrustComparison[]
}

/** Compares every rule with what an identity token says, field by field. */
export function compareRules(rules: readonly TrustRule[], claims: JsonObject): RuleReport[] {
  return rules.map((rule) => {
    const fields = compareTrust(rule, claims)
    return {
      name: rule.name,
      client_id: rule.client_id,
      matches: fields.every(({ matches }) => matches),
      fields,
    }
  })
}

/** Prints a report for people: each rule, and each of its fields with what the token says there. */
export async function printReports(io: Io, reports: readonly RuleReport[]): Promise<void> {
  const { good, bad, strong } = await io.style()
  for (const { name, client_id, matches, fields } of reports) {
    const verdict = matches ? good('matches') : bad('does not match')
    io.line(`${strong(toPrintable(name))} (client ${toPrintable(client_id)}): ${verdict}`)
    const lines = alignPairs(fields.map((field) => [toPrintable(field.field), describeField(field)]))
    for (const [index, line] of lines.entries()) {
      io.line(`  ${fields[index]?.matches ? good('ok     ') : bad('differs')} ${line}`)
    }
  }
}

/** Reads rules as `authsec trust list --json` and `trust show --json` print them; throws `not_found` or `usage`. */
export async function readRuleFile(io: Io, path: string): Promise<TrustRule[]> {
  const text = await readDeclaration(io, path)
  try {
    return [parseStrictJson(text)].flat().map(readTrustRule)
  } catch (error) {
    if (!AuthsecError.is(error)) throw error
    throw new AuthsecError('usage', `${quote(path, 200)} does not hold trust rules: ${error.message}`, {
      hint: 'Write them with authsec trust list --json.',
    })
  }
}

function describeField({ wants, says, matches }: TrustComparison): string {
  if (matches) return quote(says, 200)
  return `${says === undefined ? 'the token does not say' : quote(says, 200)}, not ${quote(wants, 200)}`
}
