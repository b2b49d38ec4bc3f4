import { readFileSync } from 'node:fs'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'

/** Where a PostgreSQL database is and how to talk to it. */
export interface PostgresTarget {
  /** What messages call it; no user, no password. */
  name: string
  /** A name, an address, or the directory of a socket. */
  host: string
  port: number
  database: string
  user: string | undefined
  /** Undefined leaves it to `PGPASSWORD` and the password file, which the driver reads. */
  password: string | undefined
  /** Undefined leaves it to the `search_path` of the user. */
  schema: string | undefined
  applicationName: string
  /** How many connections there are at most. */
  poolSize: number
  /** How long a connection may take to come about, in milliseconds. */
  connectTimeoutMs: number
  /** How long a statement may take, waiting for other writers included, in milliseconds. */
  statementTimeoutMs: number
  /** False means that the connection is not encrypted. */
  tls: false | PostgresTls
}

/** How the connection is encrypted, in the words of `tls.connect`. */
export interface PostgresTls {
  /** What the certificate is compared with, also where it is an address. */
  host: string
  rejectUnauthorized: boolean
  checkServerIdentity?: () => undefined
  ca?: string
  cert?: string
  key?: string
}

/** What is asked of a database beyond its address. */
export interface PostgresOptions {
  /** Whether it is refused unless a standby confirms each commit; default false. */
  requireSyncStandby?: boolean | undefined
}

/** Whether a store is to be PostgreSQL: `postgres://…` or `postgresql://…`. */
export function isPostgresUrl(location: string): boolean {
  return /^postgres(?:ql)?:\/\//i.test(location)
}

/** Whether a database is on this machine, as far as its address tells. Throws `configuration`. */
export function isLocalPostgres(url: string): boolean {
  return staysHere(parsePostgresUrl(url).host)
}

const OPTIONS = [
  'host',
  'schema',
  'application_name',
  'pool_size',
  'connect_timeout',
  'statement_timeout',
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
] as const

type Option = (typeof OPTIONS)[number]

const SSL_MODES = ['disable', 'require', 'verify-ca', 'verify-full']

/**
 * Reads `postgres://user:password@host:port/database?option=value`. The options are those of libpq (`host` for the
 * directory of a socket, `application_name`, `connect_timeout` in seconds, `sslmode`, `sslrootcert`, `sslcert`,
 * `sslkey`), `statement_timeout` in milliseconds, `schema` and `pool_size`. Without `sslmode` a connection that leaves
 * the machine is `verify-full`: nobody loses encryption by forgetting to ask for it.
 *
 * Throws `configuration`; no message and no cause shows the text itself, because there may be a password in it.
 */
export function parsePostgresUrl(text: string): PostgresTarget {
  const url = parseUrl(text)
  const options = readOptions(url.searchParams)
  const named = url.hostname === NO_HOST ? '' : url.hostname.replace(/^\[(.*)\]$/, '$1')
  const host = options.host ?? decode(named, 'host')
  const database = decode(url.pathname.slice(1), 'database')
  if (host === '') throw refuse('names no host', 'Write postgres://user@host/database.')
  if (database === '') throw refuse('names no database', 'Write postgres://user@host/database.')
  const port = url.port === '' ? 5432 : Number(url.port)

  return {
    name: `PostgreSQL at ${quote(`${host}:${port}/${database}`, 200)}`,
    host,
    port,
    database,
    user: url.username === '' ? undefined : decode(url.username, 'user'),
    password: url.password === '' ? undefined : decode(url.password, 'password'),
    schema: readSchema(options),
    applicationName: options.application_name ?? 'authsec',
    poolSize: readNumber(options, 'pool_size', { fallback: 10, min: 2, max: 1000 }),
    connectTimeoutMs: readNumber(options, 'connect_timeout', { fallback: 5, min: 1, max: 600 }) * 1000,
    statementTimeoutMs: readNumber(options, 'statement_timeout', {
      fallback: 10_000,
      min: 100,
      max: 600_000,
    }),
    tls: readTls(options, host),
  }
}

/** Stands for the host that `user@/database?host=…` does not name there: libpq's form for a socket, and no URL. */
const NO_HOST = 'none.invalid'

function parseUrl(text: string): URL {
  try {
    const url = new URL(text.replace(/^([^/?#]*\/\/[^/?#]*@)(?=[/?#]|$)/, `$1${NO_HOST}`))
    if (url.hash === '') return url
  } catch {
    // Not as the cause: the error of the platform carries the whole text.
  }
  throw refuse(
    'is no URL',
    'Write postgres://user:password@host/database with every special character as %XX.',
  )
}

function readOptions(parameters: URLSearchParams): Partial<Record<Option, string>> {
  const options: Partial<Record<Option, string>> = {}
  for (const [name, value] of parameters) {
    const option = OPTIONS.find((known) => known === name)
    if (option === undefined) {
      throw refuse(`has the unknown option ${quote(name)}`, `The options are ${OPTIONS.join(', ')}.`)
    }
    if (options[option] !== undefined) throw refuse(`has ${option} twice`, `Give ${option} once.`)
    options[option] = value
  }
  return options
}

// It becomes part of the start of a session, where quoting has rules of its own.
function readSchema({ schema }: Partial<Record<Option, string>>): string | undefined {
  if (schema === undefined || /^[a-z_][a-z0-9_]{0,62}$/.test(schema)) return schema
  throw refuse(`has the schema ${quote(schema)}`, 'A schema has lower-case letters, digits and underscores.')
}

function readNumber(
  options: Partial<Record<Option, string>>,
  name: Option,
  { fallback, min, max }: { fallback: number; min: number; max: number },
): number {
  const text = options[name]
  if (text === undefined) return fallback
  const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (number >= min && number <= max) return number
  throw refuse(`has ${name}=${quote(text)}`, `Give ${name} as a whole number from ${min} to ${max}.`)
}

function readTls(options: Partial<Record<Option, string>>, host: string): false | PostgresTls {
  const mode = options.sslmode ?? (staysHere(host) ? 'disable' : 'verify-full')
  if (!SSL_MODES.includes(mode)) {
    // libpq's other modes fall back to plain text when the server, or somebody in between, says so.
    throw refuse(`has sslmode=${quote(mode)}`, `The modes are ${SSL_MODES.join(', ')}.`)
  }
  if (mode === 'disable') return false
  return {
    host,
    rejectUnauthorized: mode !== 'require',
    ...(mode === 'verify-ca' && { checkServerIdentity: () => undefined }),
    ...(options.sslrootcert !== undefined && { ca: readPem(options.sslrootcert, 'sslrootcert') }),
    ...(options.sslcert !== undefined && { cert: readPem(options.sslcert, 'sslcert') }),
    ...(options.sslkey !== undefined && { key: readPem(options.sslkey, 'sslkey') }),
  }
}

function staysHere(host: string): boolean {
  return /^(?:\/|(?:localhost|127(?:\.\d{1,3}){3}|::1)$)/.test(host)
}

function readPem(file: string, option: Option): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException
    throw refuse(
      `has ${option}=${quote(file, 200)}, which cannot be read (${code})`,
      `Give ${option} the path of a PEM file.`,
    )
  }
}

function decode(text: string, what: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw refuse(`has a ${what} with a % that begins nothing`, 'Write a percent sign as %25.')
  }
}

function refuse(clause: string, hint: string): AuthsecError {
  return new AuthsecError('configuration', `the address of the database ${clause}`, { hint })
}
