import { quote, toPrintable } from '../core/printable.js'

/** One step of the demo, the same for a person and, with `--json`, for a program. */
export type StoryEvent =
  | { type: 'scene'; title: string; about: string }
  /** The agent and the user go by their ids everywhere. */
  | { type: 'server.started'; url: string; agent: string; user: string }
  | { type: 'api.started'; api: string; audience: string; url: string }
  | { type: 'question'; text: string }
  | { type: 'tool.chosen'; tool: string }
  | {
      type: 'token.issued'
      tool: string
      audience: string
      permissions: readonly string[]
      /** How long it lives. */
      ttl_seconds: number
      /** The event of the audit log that recorded the issuance. */
      audit_id: string | undefined
    }
  | { type: 'api.accepted'; api: string; agent: string; user: string; permissions: readonly string[] }
  | { type: 'fan_out'; calls: number; tokens: number }
  | { type: 'approval.answered'; user: string; message: string; approved: boolean }
  | { type: 'refunded'; amount: string; invoice: string; approved: boolean; agent: string; user: string }
  | { type: 'tool.answered'; tool: string; text: string }
  | { type: 'answer'; text: string }
  | { type: 'refused'; what: string; by: string; code: string; audit_id?: string | undefined }
  | { type: 'waited'; seconds: number; why: string }
  /** A record of the log; `event` is its type, and `words` what that means. */
  | { type: 'audit'; seq: number; time: string; outcome: string; event: string; words: string }
  /** How many acceptances and refusals there had to be, and were. */
  | { type: 'end'; expected: number; happened: number; as_expected: boolean }

/** Tells a step in plain words, on one line or a few; `names` says what people call an id. */
export function formatEvent(event: StoryEvent, names: ReadonlyMap<string, string>): string {
  let text = describe(event)
  for (const [id, name] of names) text = text.replaceAll(id, name)
  return text.split('\n').map(toPrintable).join('\n')
}

function describe(event: StoryEvent): string {
  switch (event.type) {
    case 'scene':
      return `\n== ${event.title}\n${event.about}\n`
    case 'server.started':
      return (
        `AuthSec  ${event.url}  issues the tokens; the user ${event.user} has delegated to the ` +
        `agent ${event.agent}: read billing, profile and orders, and refund`
      )
    case 'api.started':
      return `${event.api.padEnd(7)}  ${event.url}  an API that accepts only tokens for ${event.audience}`
    case 'question':
      return `the user asks: ${quote(event.text, 200)}`
    case 'tool.chosen':
      return `\n  tool chosen   ${event.tool}`
    case 'token.issued':
      return (
        `  token asked   for ${event.audience} only, may ${event.permissions.join(' and ')}, ` +
        `lives ${event.ttl_seconds} seconds`
      )
    case 'api.accepted':
      return (
        `  API verified  ${event.api}: this is the agent ${event.agent}, acting for ${event.user}, ` +
        `allowed ${event.permissions.join(' and ')}`
      )
    case 'fan_out':
      return `  ${event.calls} calls of one tool at once cost ${event.tokens} token${event.tokens === 1 ? '' : 's'}`
    case 'approval.answered':
      return `  ${event.user} is asked: ${quote(event.message, 200)} and says ${event.approved ? 'yes' : 'no'}`
    case 'refunded':
      return (
        `  API verified  billing: ${event.amount} EUR of ${event.invoice} is what the token was made for, ` +
        `${event.approved ? 'and' : 'by'} ${event.user} ${event.approved ? 'has approved it' : 'through the standing delegation'}`
      )
    case 'tool.answered':
      return `  API answered  ${event.text}`
    case 'answer':
      return `\nthe agent answers: ${event.text}`
    case 'refused':
      return `  refused       by ${event.by} (${event.code}): ${event.what}`
    case 'waited':
      return `\n  waited        ${event.seconds} second${event.seconds === 1 ? '' : 's'}: ${event.why}`
    case 'audit':
      return `${String(event.seq).padStart(3)}  ${event.time}  ${event.outcome.padEnd(5)}  ${event.event.padEnd(19)}  ${event.words}`
    case 'end':
      return event.as_expected
        ? `\nall ${event.expected} acceptances and refusals happened as expected`
        : `\nonly ${event.happened} of ${event.expected} acceptances and refusals happened as expected`
  }
}
