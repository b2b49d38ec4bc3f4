import type { Command } from '@commander-js/extra-typings'
import { AUDIT_EVENTS } from '../../core/audit-record.js'
import { AuthsecError, type ErrorCode } from '../../core/errors.js'
import { quote } from '../../core/printable.js'
import { CLAIM_MEANINGS, HEADER_MEANINGS } from '../claim-meanings.js'
import { wrapText } from '../columns.js'
import type { Context } from '../context.js'
import { ERROR_MEANINGS } from '../error-meanings.js'
import { EXIT_MEANINGS, exitCodeOf } from '../exit-codes.js'
import { describe } from '../help.js'

/** Everything that goes by that name, and for an exit code the errors behind it. */
export type Output = Explanation[]

/** What is known about one word. */
interface Explanation {
  kind: 'error' | 'exit code' | 'claim' | 'header' | 'event'
  name: string
  meaning: string
  remedy?: string
  exit_code?: number
}

export function addExplain(parent: Command, context: Context): void {
  describe(parent.command('explain'), {
    summary: 'explain an error code, an exit code, a claim or an audit event',
    examples: [
      ['authsec explain audience_mismatch', 'an error code, as --json names it'],
      ['authsec explain 14', 'an exit code, with the errors behind it'],
      ['authsec explain act', 'a claim'],
      ['authsec explain token.exchanged', 'an event of the audit log'],
    ],
    exits: [0, 2, 6],
    seeAlso: ['authsec help exit-codes', 'authsec token decode'],
    onlyReads: true,
  })
    .argument('<word>', 'what there is to explain')
    .option('--json', 'print a JSON array', false)
    .action((word, { json }) => explain(context, word, json))
}

function explain({ io }: Context, word: string, json: boolean): void {
  const found = findExplanations(word)
  if (found.length === 0) {
    throw new AuthsecError('not_found', `nothing is known about ${quote(word)}`, {
      hint: 'Give an error code, an exit code, a claim, a header member or an event such as token.exchanged.',
    })
  }
  if (json) {
    io.json<Output>(found)
    return
  }
  for (const { kind, name, meaning, remedy, exit_code } of found) {
    const exit = exit_code === undefined ? '' : `, exit code ${exit_code}`
    io.line(wrapText(`${name} (${kind}${exit}): ${meaning}`, io.width, '  '))
    if (remedy !== undefined) io.line(wrapText(`  ${remedy}`, io.width, '  '))
  }
}

function findExplanations(word: string): Explanation[] {
  const found: Explanation[] = []
  const meaning = lookUp(ERROR_MEANINGS, word)
  if (meaning) found.push(describeError(word as ErrorCode, meaning))
  const exit = lookUp(EXIT_MEANINGS as Readonly<Record<string, string>>, word)
  if (exit) found.push({ kind: 'exit code', name: word, meaning: exit }, ...listErrors(Number(word)))
  const claim = lookUp(CLAIM_MEANINGS, word)
  if (claim) found.push({ kind: 'claim', name: word, meaning: claim })
  const member = lookUp(HEADER_MEANINGS, word)
  if (member) found.push({ kind: 'header', name: word, meaning: member })
  const event = lookUp<string>(AUDIT_EVENTS, word)
  if (event) found.push({ kind: 'event', name: word, meaning: describeEvent(word, event) })
  return found
}

/** What nobody asks for, and so is never refused. */
const UNASKED: Readonly<Record<string, string>> = {
  'audit.pruned': 'the server',
  'clock.stepped': 'the server',
  'delegation.expired': 'the server',
  'denied.summary': 'somebody',
  'server.recovered': 'the server',
  'server.started': 'somebody',
  'server.stopped': 'somebody',
}

function describeEvent(type: string, event: string): string {
  const who = lookUp(UNASKED, type)
  return who === undefined ? `somebody ${event}, or was refused it` : `${who} ${event}`
}

function listErrors(exit: number): Explanation[] {
  return Object.entries(ERROR_MEANINGS)
    .map(([code, meaning]) => describeError(code as ErrorCode, meaning))
    .filter(({ exit_code }) => exit_code === exit)
}

function describeError(code: ErrorCode, [meaning, remedy]: readonly [string, string]): Explanation {
  return {
    kind: 'error',
    name: code,
    meaning,
    remedy,
    exit_code: exitCodeOf(new AuthsecError(code, meaning)),
  }
}

function lookUp<V>(table: Readonly<Record<string, V>>, word: string): V | undefined {
  return Object.hasOwn(table, word) ? table[word] : undefined
}
