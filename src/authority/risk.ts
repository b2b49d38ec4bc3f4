/** How bad it would be if an agent did something it should not have done. */
export type RiskLevel = 'low' | 'medium' | 'high' | 'critical'

/** Up to this score nobody is asked. */
export const MAX_AUTOMATIC_RISK = 30
/** Up to this score one person is asked; beyond it, two. */
export const MAX_SINGLE_RISK = 80

const MAX_RISK = 100
const UNKNOWN_RISK = 50
const SENSITIVE_RISK = 10

const RISKS: readonly (readonly [score: number, words: RegExp])[] = [
  [
    85,
    /^(?:delete|destroy|drop|purge|transfer|pay|purchase|refund|grant|revoke|execute|deploy|shutdown|terminate)$/,
  ],
  [50, /^(?:create|add|update|write|send|post|put|patch|edit|modify|upload|invite|approve|cancel)$/],
  [10, /^(?:read|get|list|view|search|find|fetch|query|show|describe|count)$/],
]
const SENSITIVE = /^(?:prod|production|payments?|secrets?|credentials?|admin|payroll|passwords?)$/

/**
 * Scores an action from 0 to 100 by its words: the gravest verb counts, a verb that nobody knows is one that
 * changes something, and what it is done to can add to it.
 */
export function scoreAction(action: string, resource: string): number {
  const words = splitWords(action)
  const known = RISKS.find(([, verbs]) => words.some((word) => verbs.test(word)))
  const isSensitive = [...words, ...splitWords(resource)].some((word) => SENSITIVE.test(word))
  return Math.min((known?.[0] ?? UNKNOWN_RISK) + (isSensitive ? SENSITIVE_RISK : 0), MAX_RISK)
}

/** The word for a score. */
export function levelOf(score: number): RiskLevel {
  if (score <= MAX_AUTOMATIC_RISK) return 'low'
  if (score <= 60) return 'medium'
  return score <= MAX_SINGLE_RISK ? 'high' : 'critical'
}

// deleteUser, delete_user and delete-user are the same two words.
function splitWords(text: string): string[] {
  return text
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z]+/)
}
