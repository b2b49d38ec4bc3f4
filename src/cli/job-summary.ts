import { AuthsecError } from '../core/errors.js'
import { toPrintable } from '../core/printable.js'
import { formatTime } from '../core/time.js'
import type { Context } from './context.js'
import { formatAnnotation } from './github-annotation.js'
import type { MintedToken } from './minting.js'

/**
 * Tells the page of a GitHub job what it got, or why it got nothing: as a summary of the step, and a refusal as an
 * annotation too. Never the token. Elsewhere it does nothing.
 */
export async function tellJob(context: Context, outcome: MintedToken | AuthsecError): Promise<void> {
  const { io, environment } = context
  if (!environment.isGitHubActions) return
  if (AuthsecError.is(outcome)) {
    const advice = outcome.hint === undefined ? '' : ` ${outcome.hint}`
    io.complain(
      formatAnnotation('error', `${toPrintable(outcome.message)}.${advice}`, { title: 'authsec ci oidc' }),
    )
  }
  const path = environment.variables['GITHUB_STEP_SUMMARY']
  if (!path) return
  const { appendFile } = await import('node:fs/promises')
  await appendFile(path, AuthsecError.is(outcome) ? describeRefusal(outcome) : describeToken(outcome)).catch(
    () => io.warn('the summary of the step cannot be written'),
  )
}

function describeToken({ clientId, audience, permissions, expiresAt, auditId }: MintedToken): string {
  const rows = [
    ['agent', clientId],
    ['API', audience.join(', ')],
    ['permissions', permissions.join(', ')],
    ['expires', formatTime(expiresAt)],
    ['audit event', auditId ?? ''],
  ]
  const lines = rows.map(([name, value]) => `| ${name} | ${code(value ?? '')} |`)
  return ['### Delegation token', '', '| | |', '| --- | --- |', ...lines, '', ''].join('\n')
}

function describeRefusal({ code: name, message, hint }: AuthsecError): string {
  return [
    '### No delegation token',
    '',
    `${code(name)}: ${code(message)}`,
    '',
    code(hint ?? ''),
    '',
    '',
  ].join('\n')
}

// As code in a cell: whatever the text is, it stays text.
function code(text: string): string {
  const bare = toPrintable(text).replaceAll('`', "'").replaceAll('|', '\\|')
  return bare === '' ? '' : `\`${bare}\``
}
