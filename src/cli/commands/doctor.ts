import type { Command } from '@commander-js/extra-typings'
import { AuthsecError } from '../../core/errors.js'
import { quote, toPrintable } from '../../core/printable.js'
import { formatTime } from '../../core/time.js'
import { wrapText } from '../columns.js'
import { type Context, ENVIRONMENT_MEANINGS } from '../context.js'
import { diagnose, type Finding } from '../diagnosis.js'
import { SERVER_EXITS } from '../exit-codes.js'
import { addConnectionFlags } from '../flags.js'
import { describe } from '../help.js'
import type { Io, Style } from '../io.js'
import { listLocalChecks } from '../local-checks.js'
import { writePrivateFile } from '../private-file.js'
import { listServerChecks } from '../server-checks.js'
import type { ConnectionFlags } from '../settings.js'

/** As wide as what stands before what was found. */
const SPACE = ' '.repeat(22)
const MIN_WIDTH = 40

/** What each check has found, in the order in which they were made; it is printed also where one failed. */
export type Output = readonly Finding[]

export function addDoctor(parent: Command, context: Context): void {
  const command = describe(parent.command('doctor'), {
    summary: 'look for what is wrong between this machine and the server',
    details: 'Changes nothing. The exit code is that of the first check that failed; warnings do not count.',
    examples: [
      ['authsec doctor', 'every check, with what to do'],
      ['authsec doctor --bundle report.json', 'a report to send along; it holds no secret'],
    ],
    exits: [0, 2, 4, ...SERVER_EXITS],
    seeAlso: ['authsec config list', 'authsec whoami'],
  })
    .option('--bundle <file>', 'write a report without secrets to a file')
    .option('--json', 'print a JSON array', false)
  addConnectionFlags(command).action(async ({ bundle, json, ...flags }) => {
    const findings = await examine(context, flags, json)
    if (bundle !== undefined) await writeBundle(context, bundle, findings)
    assertHealthy(findings)
  })
}

async function examine(context: Context, flags: ConnectionFlags, json: boolean): Promise<Finding[]> {
  const { io } = context
  const style = await io.style()
  const checks = { ...listLocalChecks(context), ...listServerChecks(context, flags) }
  const findings = await diagnose(checks, (finding) => {
    if (!json) for (const line of formatFinding(finding, io, style)) io.line(line)
  })
  if (json) io.json<Output>(findings)
  return findings
}

function formatFinding({ name, outcome, detail, hint }: Finding, { width }: Io, style: Style): string[] {
  const paint = { ok: style.good, warning: style.caution, failed: style.bad, skipped: style.faint }[outcome]
  const wrap = (text: string) => wrapText(toPrintable(text), Math.max(width, MIN_WIDTH), SPACE)
  const line = `${paint(outcome.padEnd(8))} ${name.padEnd(12)} ${wrap(detail)}`
  return hint === undefined ? [line] : [line, `${SPACE}${wrap(hint)}`]
}

// Of the environment the names alone: a value may be a secret, whatever its name says.
async function writeBundle(context: Context, path: string, findings: readonly Finding[]): Promise<void> {
  const { io, clock, environment } = context
  const variables = Object.keys(ENVIRONMENT_MEANINGS).filter((name) => environment.variables[name])
  const report = {
    written_at: formatTime(clock.now()),
    version: context.readVersion(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    variables,
    findings,
  }
  await writePrivateFile(path, `${JSON.stringify(report, null, 2)}\n`)
  io.note(`wrote the report to ${quote(path, 200)}; read it before you send it`)
}

function assertHealthy(findings: readonly Finding[]): void {
  const failed = findings.filter(({ outcome }) => outcome === 'failed')
  const [first] = failed
  if (first?.code === undefined) return
  throw new AuthsecError(first.code, `${failed.length} of ${findings.length} checks failed`, {
    hint: first.hint ?? `First of all: ${first.detail}.`,
  })
}
