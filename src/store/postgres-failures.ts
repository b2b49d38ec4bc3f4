import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { PostgresTarget } from './postgres-url.js'
import { createDamaged, createStoreFailure } from './unavailable.js'

/** What the server says of a failure; the driver's own failures have no severity. */
interface ServerFailure extends Error {
  /** SQLSTATE, see appendix A of PostgreSQL's documentation. */
  code: string
  severity: string
  detail?: string | undefined
  where?: string | undefined
}

// Connections (08), rights to log in (28) and databases (3D) that are gone meanwhile; no room (53); I/O (58); shut down,
// crashed or not up yet (57P); cancelled by a timeout (57014, 55P03, 25P03, 25P04); a server that only reads, as a
// standby does (25006); an order of transactions that cannot be (40).
const PASSING = /^(?:08|28|3D|40|53|58|57P0[1-5]$|57014$|55P03$|25P0[34]$|25006$)/

const FAILED_TLS = /^(?:ERR_(?:SSL|TLS)_|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)|EPROTO$)|CERT/

/** Puts a failure of a statement into the words of the store; what has no meaning there stays what it was. */
export function explainPostgresFailure(cause: unknown): unknown {
  if (AuthsecError.is(cause)) return cause
  if (!isServerFailure(cause)) return createUnavailable(cause)
  // They quote the row, with whatever is secret or personal in it.
  delete cause.detail
  delete cause.where
  if (PASSING.test(cause.code)) return createUnavailable(cause)
  if (cause.code === '23505' || cause.code === '23P01') {
    return new AuthsecError('conflict', 'it exists already', { cause })
  }
  if (cause.code === '42501') {
    return new AuthsecError(
      'configuration',
      'the user of the database may not do all that is needed (42501)',
      {
        hint: 'Grant usage and create on the schema, and everything on the tables in it.',
        cause,
      },
    )
  }
  // Undefined table; data or an index that is corrupted.
  if (cause.code === '42P01') return createDamaged('a table of the database is missing', cause)
  if (/^XX00[12]$/.test(cause.code)) return createDamaged(`the database is damaged (${cause.code})`, cause)
  // An ordered index takes no more than 2,704 bytes of an entry.
  if (cause.code === '54000') {
    return new AuthsecError('content_too_large', 'a value is too long to be stored', { cause })
  }
  return cause
}

/**
 * Whether nothing more can be asked on the connection on which this happened. One that only reads goes on doing so,
 * whatever becomes of the server.
 */
export function isConnectionLost(error: unknown): boolean {
  if (!isServerFailure(error)) return true
  const isEnding = error.severity === 'FATAL' || error.severity === 'PANIC'
  return isEnding || /^(?:08|57P|25P0[34]|25006)/.test(error.code)
}

/**
 * Says why there is no connection: `configuration` where that will not change by itself, if nothing has worked yet, or
 * else `temporarily_unavailable`. Only who opens the store is told where the database is, and who logs in there: what
 * comes later is answered to strangers, and says it in its cause alone.
 */
export function refuseConnection(cause: unknown, target: PostgresTarget, isFirst: boolean): AuthsecError {
  const refusal = AuthsecError.is(cause) ? cause : describeRefusal(cause, target)
  return isFirst ? refusal : createUnavailable(refusal)
}

function describeRefusal(cause: unknown, { name, user, tls }: PostgresTarget): AuthsecError {
  const code = String((cause as { code?: unknown } | null)?.code ?? '')
  const text = String((cause as { message?: unknown } | null)?.message ?? '')
  if (/^(?:28|42501$)/.test(code) || text.startsWith('SASL')) {
    const who = user === undefined ? 'whom it was told' : quote(user)
    return new AuthsecError('configuration', `${name} does not let in ${who}${withCode(code)}`, {
      hint: 'Check the user and the password in the address of the database, and that the user may connect to it.',
      cause,
    })
  }
  if (code === '08P01' && text.includes('startup parameter')) {
    return new AuthsecError('configuration', `${name} does not take the settings of a connection (${code})`, {
      hint: 'A pooler stands before it: name the database itself.',
      cause,
    })
  }
  if (code === '3D000') {
    return new AuthsecError('configuration', `${name} does not exist`, {
      hint: 'Create the database, or name another one.',
      cause,
    })
  }
  if (tls && (FAILED_TLS.test(code) || text.includes('does not support SSL'))) {
    const problem = FAILED_TLS.test(code)
      ? `shows a certificate that is not accepted (${code})`
      : 'has no TLS'
    return new AuthsecError('configuration', `${name} ${problem}`, {
      hint: 'Name the authority of its certificate with sslrootcert=FILE; sslmode=disable is for a wire that nobody else is on.',
      cause,
    })
  }
  return createStoreFailure(`${name} cannot be reached${withCode(code)}`, {
    hint: 'Check that the database runs, has room for another connection, and is where its address says.',
    cause,
  })
}

/** What every write and read is told while the database does not do its part. */
export function createUnavailable(cause: unknown): AuthsecError {
  return createStoreFailure('the store cannot be read or written right now', {
    hint: 'Check that the database runs, has free space, and accepts connections.',
    cause,
  })
}

function isServerFailure(error: unknown): error is ServerFailure {
  if (!(error instanceof Error) || !('severity' in error) || !('code' in error)) return false
  return typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code)
}

function withCode(code: string): string {
  return code === '' ? '' : ` (${code})`
}
