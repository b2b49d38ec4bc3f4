import type { Declarable } from './declaration.js'
import { parseSeconds } from './flags.js'

/** What is to be delegated to an agent. */
export interface GrantRequest {
  /** The agent, by its UUID or exact name. */
  reference: string
  /** The APIs it may reach; empty: all of its policy. */
  audience: readonly string[]
  /** Seconds; as long as its policy allows where nobody says it. */
  ttlSeconds?: number | undefined
}

/** Delegations as a file declares them; `ttl` is a duration such as 8h. */
export const DELEGATIONS: Declarable<GrantRequest> = {
  one: 'a delegation',
  many: 'delegations',
  members: ['client', 'audience', 'ttl'],
  hint: 'Write {"client": "billing-bot", "audience": ["https://billing.example"], "ttl": "8h"}.',
  read: ({ text, texts, maybe }) => ({
    reference: text('client'),
    audience: maybe('audience', texts) ?? [],
    ttlSeconds: maybe('ttl', (member) => parseSeconds(text(member))),
  }),
}
