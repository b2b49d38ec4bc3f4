import { quote, toPrintable } from '../core/printable.js'

/** One step of the demo, the same for a person and, with `--json`, for a program. */
export type StoryEvent =
  | { type: 'scene'; title: string }
  | { type: 'server.started'; url: string; agent: string; user: string }
  | { type: 'api.started'; api: string; audience: string; url: string }
  | { type: 'question'; text: string }
  | { type: 'tool.chosen'; tool: string }
  | {
      type: 'token.issued'
      tool: string
      audience: string
      permissions: readonly string[]
      ttl_seconds: number
      audit_id: string | undefined
    }
  | { type: 'api.accepted'; api: string; agent: string; user: string; permissions: readonly string[] }
  | { type: 'tool.answered'; tool: string; text: string }
  | { type: 'answer'; text: string }
  | { type: 'refused'; what: string; by: string; code: string; audit_id?: string | undefined }
  | { type: 'waited'; seconds: number; why: string }
  | { type: 'audit'; seq: number; time: string; outcome: string; event: string; words: string }
  | { type: 'end'; expected: number; happened: number; as_expected: boolean }

/** Tells a step in plain words, on one line or a few. */
export function formatEvent(event: StoryEvent): string {
  return toPrintableLines(describe(event))
}

function describe(event: StoryEvent): string {
  switch (event.type) {
    case 'scene':
      return `\n== ${event.title}`
    case 'server.started':
      return `an AuthSec server listens on ${event.url}; user ${event.user} has delegated to agent ${event.agent}`
    case 'api.started':
      return `the ${event.api} API listens on ${event.url} and accepts only tokens for ${event.audience}`
    case 'question':
      return `the user asks: ${quote(event.text, 200)}`
    case 'tool.chosen':
      return `\n  the agent chooses the tool ${event.tool}`
    case 'token.issued':
      return (
        `  token:   for ${event.audience}, may ${event.permissions.join(' and ')}, ` +
        `lives ${event.ttl_seconds} s, audit record ${event.audit_id}`
      )
    case 'api.accepted':
      return (
        `  API:     ${event.api} verified it: agent ${event.agent} for user ${event.user}, ` +
        `${event.permissions.join(' ')}`
      )
    case 'tool.answered':
      return `  answer:  ${event.text}`
    case 'answer':
      return `\nthe agent answers: ${event.text}`
    case 'refused':
      return `refused by ${event.by} (${event.code}): ${event.what}`
    case 'waited':
      return `waited ${event.seconds} s: ${event.why}`
    case 'audit':
      return `${String(event.seq).padStart(3)}  ${event.time}  ${event.outcome.padEnd(5)}  ${event.event.padEnd(19)}  ${event.words}`
    case 'end':
      return event.as_expected
        ? `\nall ${event.expected} acceptances and refusals happened as expected`
        : `\nonly ${event.happened} of ${event.expected} acceptances and refusals happened as expected`
  }
}

function toPrintableLines(text: string): string {
  return text.split('\n').map(toPrintable).join('\n')
}
