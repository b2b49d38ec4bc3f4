import { AuthsecError } from './errors.js'
import { quote } from './printable.js'
import { isJsonObject } from './strict-json.js'

/** The kinds of token that can be presented for an exchange. */
export type PresentedKind = 'base' | 'session' | 'call'

/** Who presents what, by client ids. */
export interface Presentation {
  /** The client that authenticated. */
  presenter: string
  /** The `client_id` of the token: whose it is. A session that a person has logged in to is no client's. */
  holder?: string | undefined
  /** The client that runs the API of the token's audience. */
  owner?: string | undefined
}

/** The `may_act` claim (RFC 8693 §4.4): the one party that may become the actor. */
export interface MayAct {
  sub?: string
  client_id?: string
}

/** Why a presenter may not present a token of each kind, or undefined when it may. */
const PRESENTER_RULES: Readonly<Record<PresentedKind, (presentation: Presentation) => string | undefined>> = {
  base: ({ presenter, holder }) => (presenter === holder ? undefined : 'belongs to another client'),
  // What a user let one client have, another has not. Beyond that, which clients may act for a user is a matter of
  // policy and consent, asked where the policy is known.
  session: ({ presenter, holder }) =>
    holder === undefined || presenter === holder ? undefined : 'is held by another client',
  call: ({ presenter, holder, owner }) =>
    presenter === holder || presenter === owner
      ? undefined
      : 'belongs to another client, and its audience is not run by this one',
}

/** Throws `invalid_grant` unless the table of presenters lets this client present the token. */
export function assertPresenter(kind: PresentedKind, presentation: Presentation): void {
  const why = PRESENTER_RULES[kind](presentation)
  if (why !== undefined) throw new AuthsecError('invalid_grant', `the subject token ${why}`)
}

/**
 * Holds a hop to the subject's `may_act`, which only ever excludes: absent, the table of presenters decides, never
 * anyone. Throws `invalid_request` when no actor has been proven by an actor token, and `access_denied` when it is
 * another one.
 */
export function assertMayAct(
  mayAct: MayAct | undefined,
  actor: Readonly<Required<MayAct>> | undefined,
): void {
  if (mayAct === undefined) return
  if (actor === undefined) {
    throw new AuthsecError(
      'invalid_request',
      'the subject token names who may act: an actor_token has to prove it',
    )
  }
  const named = Object.entries(mayAct) as [keyof MayAct, string][]
  // A may_act that names nobody lets nobody act.
  if (named.length === 0 || named.some(([member, value]) => actor[member] !== value)) {
    throw new AuthsecError('access_denied', `the subject token does not let ${quote(actor.sub, 200)} act`)
  }
}

/** Reads a `may_act`: `sub`, `client_id` or both. Throws `invalid_request` for what cannot be held to. */
export function parseMayAct(value: unknown): MayAct {
  if (!isJsonObject(value)) throw unreadable('it is not an object')
  const { sub, client_id: clientId, ...others } = value as { sub?: unknown; client_id?: unknown }
  const [foreign] = Object.keys(others)
  if (foreign !== undefined) throw unreadable(`${quote(foreign)} is neither sub nor client_id`)
  if (sub === undefined && clientId === undefined) throw unreadable('it names nobody')
  return {
    ...(sub !== undefined && { sub: readText(sub) }),
    ...(clientId !== undefined && { client_id: readText(clientId) }),
  }
}

function readText(value: unknown): string {
  if (typeof value !== 'string' || value === '' || value.length > 512) throw unreadable('it names no text')
  return value
}

function unreadable(why: string): AuthsecError {
  return new AuthsecError('invalid_request', `may_act cannot be read: ${why}`)
}
