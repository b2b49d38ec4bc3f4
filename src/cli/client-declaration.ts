import type { ClientRegistration } from '../api/clients.js'
import type { Declarable } from './declaration.js'

/** Clients as a file declares them, with the members that the server knows. */
export const CLIENTS: Declarable<ClientRegistration> = {
  one: 'a client',
  many: 'clients',
  members: ['name', 'email', 'client_type', 'agent_type', 'platform', 'selectors'],
  hint: 'Write {"name": "billing-bot", "agent_type": "langchain"}.',
  read(declared) {
    const { has, text, textMap, maybe } = declared
    const name = text('name')
    return {
      name,
      email: maybe('email', text) ?? makeUpEmail(name),
      type: maybe('client_type', text) ?? (has('agent_type') ? 'ai_agent' : 'application'),
      agentType: maybe('agent_type', text),
      platform: maybe('platform', text),
      selectors: maybe('selectors', textMap),
    }
  },
}

/** An address that reaches nobody: AuthSec wants one, and .invalid is the domain for that (RFC 2606 §2). */
export function makeUpEmail(name: string): string {
  const local = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 64)
  return `${local || 'client'}@authsec.invalid`
}
