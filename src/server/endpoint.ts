import type { Provenance } from '../authority/audit/log.js'
import type { Authority } from '../authority/authority.js'
import type { Caller } from '../authority/callers.js'
import type { Mode } from '../authority/client-authentication.js'
import type { Session } from '../authority/sessions.js'
import type { AuditEventType } from '../core/audit-record.js'
import type { ErrorCode } from '../core/errors.js'
import type { QuirkName } from './quirks.js'
import type { RateLimit } from './rate-limits.js'

/**
 * Whom an endpoint talks to: everybody (who may still have to prove to be a client), a live session, or a
 * session with `admin:access`, or an agent by its base token or a live session.
 */
export type Access = 'public' | 'session' | 'admin' | 'agent'

/** Any endpoint, whomever it talks to. */
export type AnyEndpoint = Endpoint<'public'> | Endpoint<'session'> | Endpoint<'admin'> | Endpoint<'agent'>

/** One endpoint, as a value in the list of its folder. */
export interface Endpoint<A extends Access = Access> {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Every path that reaches it; `:name` stands for one segment. */
  paths: readonly string[]
  access: A
  modes: readonly Mode[]
  summary: string
  /** Whose contract it keeps: a generation of AuthSec's, a standard by number, or this toolkit's own. */
  speaks: string
  /** Where it differs from that contract, for the support matrix. */
  differences?: string
  /** Served only where somebody asked for it by this name. */
  quirk?: QuirkName
  /** The parameters of its query. What an admin asks in this toolkit's own contract may have no other. */
  query?: readonly string[]
  /** What the audit log calls an attempt that is turned away before the authority is asked. */
  event: AuditEventType | undefined
  /** Whether a retry may carry the `Idempotency-Key` of the first try, which then is the id of both requests. */
  hasIdempotencyKey?: boolean
  /**
   * The form of its error bodies: RFC 6749 §5.2, AuthSec's `{error, details}`, what AuthSec answers to a poll (the
   * one or the other), its SPIRE service's, or a page.
   */
  errors: 'oauth' | 'authsec' | 'polling' | 'spire' | 'page'
  /** What requests to it count against, where requests are counted; default for what needs a session: `session`. */
  limit?: RateLimit
  /**
   * What may come from a page of another origin: everything, for public documents (keys and metadata); what pages
   * send whose origin is `named` when the server is started, for what clients use; or a person who follows a link,
   * for pages.
   */
  crossOrigin?: boolean | 'named' | 'navigation'
  /**
   * Whether it is answered under whatever name the server is asked by, as balancers ask by address: for what says
   * nothing that a page could want.
   */
  anyHost?: boolean
  /**
   * AuthSec's own status and wording where they are not those of the code. With `hint` the details are the hint alone,
   * which then is AuthSec's wording too.
   */
  refusals?: Partial<Record<ErrorCode, readonly [status: number, error: string, details?: 'hint']>>
  /** What it answers; nobody stores that unless the answer says how long. */
  handle(request: Request, context: EndpointContext<A>): Promise<Response | JsonAnswer>
}

/**
 * What an endpoint answers that is asked most of all: 200 with JSON that nobody stores. A value becomes a response once,
 * with all of its headers; a response that is given more of them is made twice.
 */
export interface JsonAnswer {
  content: object
}

/** Who calls an endpoint. */
export type CallerOf<A extends Access> = A extends 'public' ? undefined : A extends 'agent' ? Caller : Session

export interface EndpointContext<A extends Access = Access> {
  authority: Authority
  mode: Mode
  /** Who calls; known wherever somebody has to be. */
  caller: CallerOf<A>
  /** The segments that `:name` stood for. */
  params: Readonly<Record<string, string>>
  provenance: Provenance
  /**
   * Tells whoever runs the server, and the log, what fails once the answer is under way; what it resolves with is for the
   * caller.
   */
  reportLate(error: unknown): Promise<unknown>
  /** Where the server listens now, which is where its endpoints are. */
  serverUrl: string
  /** Aborts when the server is about to stop: it answers still, and nobody new should be sent to it. */
  leaving: AbortSignal
  /** Aborts when the server stops. A caller who hangs up aborts the signal of the request. */
  stopping: AbortSignal
}

/** A path of AuthSec's contract under both prefixes it is known by. */
export function authsecPaths(path: string): readonly string[] {
  return [path, `/authsec${path}`]
}
