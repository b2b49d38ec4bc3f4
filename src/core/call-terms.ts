import type { Binding } from './call-binding.js'
import { AuthsecError } from './errors.js'
import { quote } from './printable.js'
import type { JsonObject } from './strict-json.js'

/** Under which conditions beyond its permissions a call token is good. */
export interface CallTerms {
  tool?: string | undefined
  /** Empty, or `tool`, or `tool` and `call`. */
  bind: readonly Binding[]
  oneTime: boolean
}

/** What a request says of them; undefined is what it does not mention. */
export interface AskedTerms {
  tool?: string | undefined
  bind?: readonly Binding[] | undefined
  oneTime?: boolean | undefined
  /** The arguments of the call that the token shall be bound to. */
  args?: JsonObject | undefined
}

/** No condition at all. */
export const UNBOUND: CallTerms = { bind: [], oneTime: false }

/**
 * The terms of a token made from one with `parent` terms: kept or tightened, never dropped. Throws
 * `invalid_request` for what would loosen them and for terms that contradict each other.
 */
export function narrowTerms(parent: CallTerms, asked: AskedTerms): CallTerms {
  const tool = asked.tool ?? parent.tool
  if (parent.tool !== undefined && tool !== parent.tool) {
    throw invalid(`the subject token is for the tool ${quote(parent.tool)}, not ${quote(tool)}`)
  }
  const bind = askedBinding(asked) ?? parent.bind
  const dropped = parent.bind.find((binding) => !bind.includes(binding))
  if (dropped !== undefined) throw invalid(`the binding to the ${dropped} cannot be dropped`)
  if (bind.length > 0 && tool === undefined) throw invalid('a binding needs the name of a tool')
  if (bind.includes('call') && asked.args === undefined) {
    throw invalid('a binding to the call needs its arguments in call')
  }
  if (parent.oneTime && asked.oneTime === false) throw invalid('one_time cannot be dropped')
  return { tool, bind, oneTime: parent.oneTime || (asked.oneTime ?? false) }
}

/** Whether a token with these terms is spent by the call it was made for and so can never become another token. */
export function isSpentByUse({ bind, oneTime }: CallTerms): boolean {
  return oneTime || bind.includes('call')
}

// Arguments are sent to be bound to: nothing else is ever done with them.
function askedBinding({ bind, args }: AskedTerms): readonly Binding[] | undefined {
  if (args === undefined) return bind
  if (bind !== undefined && !bind.includes('call')) throw invalid('call contradicts a bind without call')
  return ['tool', 'call']
}

function invalid(message: string): AuthsecError {
  return new AuthsecError('invalid_request', message)
}
