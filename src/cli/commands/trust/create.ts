import type { Command } from '@commander-js/extra-typings'
import { createTrustRule, type TrustRule } from '../../../api/trust-rules.js'
import { AuthsecError } from '../../../core/errors.js'
import { quote } from '../../../core/printable.js'
import { findClientId } from '../../client-reference.js'
import { openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'

/** The trust rule that was created. */
export type Output = TrustRule

export function addTrustCreate(parent: Command, context: Context): void {
  const command = describe(parent.command('create'), {
    summary: 'let the jobs of another issuer, such as GitHub, act as an agent',
    details:
      'Who holds an identity token of the issuer that says all this can exchange it for call tokens of the agent, ' +
      'without a secret, each token once. In patterns * stands for anything but / and :, and ** for anything.',
    examples: [
      [
        "authsec trust create deploy --client demo-agent --issuer https://token.actions.githubusercontent.com --subject 'repo:acme/shop:ref:refs/heads/main'",
        'the main branch of one repository',
      ],
      [
        "authsec trust create release --client demo-agent --issuer https://gitlab.com --subject 'project_path:acme/shop:**' --claim ref_protected=true",
        'whatever is protected in one project',
      ],
    ],
    exits: [0, 2, 4, 5, 6, 7, ...SERVER_EXITS],
    seeAlso: ['authsec ci oidc', 'authsec ci setup'],
  })
    .argument('<name>', 'the name of the rule')
    .requiredOption('--client <client>', 'the agent they act as, by its UUID or exact name')
    .requiredOption('--issuer <url>', 'exactly the iss of their identity tokens')
    .requiredOption('--subject <pattern>', 'the sub of their identity tokens')
    .option('--claim <name=pattern>', 'what else they say; repeatable', collectClaim, {})
    .option(
      '--identity-audience <text>',
      'exactly the aud of their identity tokens, and their only one; otherwise the server. Whoever is sent tokens for this ' +
        'audience can use them here: name nothing that another service takes',
    )
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(command).action(async (name, flags) => {
    const { io } = context
    const connection = await openConnection(context, flags)
    const { issuer, subject, claim: claims, identityAudience } = flags
    const audience = identityAudience ?? connection.target.serverUrl
    const clientId = await findClientId(connection, flags.client)
    const rule = await createTrustRule(connection.target, {
      name,
      clientId,
      issuer,
      audience,
      subject,
      claims,
    })
    if (flags.json) io.json<Output>(rule)
    else io.record(listTrustFields(rule))
  })
}

/** The fields of a rule, for people. */
export function listTrustFields(rule: TrustRule): [name: string, value: string][] {
  const { name, client_id, issuer, audience, subject, claims, created_at } = rule
  return [
    ['name', name],
    ['client', client_id],
    ['iss', issuer],
    ['aud', audience],
    ['sub', subject],
    ...Object.entries(claims),
    ['created', created_at ?? ''],
  ]
}

function collectClaim(text: string, earlier: Record<string, string>): Record<string, string> {
  const [, name, pattern] = /^([^=]+)=(.+)$/s.exec(text) ?? []
  if (name !== undefined && pattern !== undefined) return { ...earlier, [name]: pattern }
  throw new AuthsecError('usage', `${quote(text)} is not a claim and its pattern`, {
    hint: 'Write it as environment=production.',
  })
}
