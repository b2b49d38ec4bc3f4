import type { Provenance } from '../authority/audit/log.js'
import type { Authority } from '../authority/authority.js'
import type { Session } from '../authority/sessions.js'
import type { AuditEventType } from '../core/audit-record.js'
import type { ErrorCode } from '../core/errors.js'

/** Whom an endpoint talks to: everybody, or a session with `admin:access`. */
export type Access = 'public' | 'admin'

/** Under which threat model a server runs; this version knows one. */
export type Mode = 'dev'

/** One endpoint, as a value in the list of `app.ts`. */
export interface Endpoint<A extends Access = Access> {
  method: 'GET' | 'POST'
  /** Every path that reaches it; `:name` stands for one segment. */
  paths: readonly string[]
  access: A
  modes: readonly Mode[]
  summary: string
  /** What the audit log calls an attempt that is turned away before the authority is asked. */
  event: AuditEventType | undefined
  /** The form of its error bodies: RFC 6749 §5.2, AuthSec's `{error, details}`, or its SPIRE service's. */
  errors: 'oauth' | 'authsec' | 'spire'
  /** Public documents that a page of another origin may read: keys and metadata. */
  crossOrigin?: boolean
  /** AuthSec's own status and wording where they are not those of the code. */
  refusals?: Partial<Record<ErrorCode, readonly [status: number, error: string]>>
  handle(request: Request, context: EndpointContext<A>): Promise<Response>
}

export interface EndpointContext<A extends Access = Access> {
  authority: Authority
  /** Who calls; known wherever somebody has to be. */
  caller: A extends 'admin' ? Session : undefined
  /** The segments that `:name` stood for. */
  params: Readonly<Record<string, string>>
  provenance: Provenance
  /** Where the server listens now, which is where its endpoints are. */
  serverUrl: string
  /** Aborts when the server stops. A caller who hangs up aborts the signal of the request. */
  stopping: AbortSignal
}

/** A path of AuthSec's contract under both prefixes it is known by. */
export function authsecPaths(path: string): readonly string[] {
  return [path, `/authsec${path}`]
}
