import { AuthsecError } from '../core/errors.js'
import type { DelegationSubject } from '../sdk/index.js'

/** What a run is given as its `context`, alone or among other members. */
export interface DelegationContext {
  readonly authsec: unknown
}

/**
 * Says for whom a run acts: `agent.invoke(input, { context: delegationContext(subject) })`. The only way in which an
 * identity enters a run, because the subject shows nothing in a trace, whereas LangChain writes texts of a configuration
 * into the metadata of every step. Throws `configuration` for anything but a subject.
 */
export function delegationContext(subject: DelegationSubject): DelegationContext {
  assertSubject(subject)
  return { authsec: subject }
}

/** For whom a run acts; undefined where it does not say so. Throws `configuration` for anything but a subject. */
export function readSubject(config: {
  context?: unknown
  configurable?: object
}): DelegationSubject | undefined {
  const { authsec: subject } = (config.context ?? {}) as Partial<DelegationContext>
  if (subject !== undefined) {
    assertSubject(subject)
    return subject
  }
  // Silence here would mean that the run acts for somebody else than it was meant to.
  if (!('authsec' in (config.configurable ?? {}))) return undefined
  throw new AuthsecError('configuration', 'an identity in configurable is copied into traces', {
    hint: 'Pass context: delegationContext(subject) to the run.',
  })
}

function assertSubject(subject: unknown): asserts subject is DelegationSubject {
  if (typeof subject === 'object' && subject !== null && 'rotate' in subject) return
  throw new AuthsecError('configuration', 'the authsec member of a run context is not a subject', {
    hint: 'Pass context: delegationContext(authsec.subject(userToken)) to the run.',
  })
}
