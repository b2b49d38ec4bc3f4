import type { ClientRequest } from '../authority/presented-client.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { type JsonObject, parseStrictJsonObject } from '../core/strict-json.js'
import { assertKnown, isText, notText } from './fields.js'

const MAX_BODY_BYTES = 64 * 1024

/** UTF-8, and what is spelled in it alike. */
const CHARSETS: readonly string[] = ['utf-8', 'utf8', 'us-ascii']

const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * Reads an OAuth form (RFC 6749 §3.2): one value for each parameter, empty ones count as absent. Throws
 * `invalid_request` for another content type, a parameter sent twice or one that is not text,
 * `unsupported_media_type` for another charset or an encoding, and `content_too_large` beyond 64 KiB.
 */
export async function readForm(request: Request): Promise<ReadonlyMap<string, string>> {
  const text = await readText(request, 'application/x-www-form-urlencoded')
  const form = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(text)) {
    if (!isText(name) || !isText(value)) throw notText(`the parameter ${quote(name)}`)
    if (form.has(name)) throw refuseTwin(name)
    form.set(name, value)
  }
  for (const [name, value] of form) if (value === '') form.delete(name)
  return form
}

/** Reads an OAuth form beside the credentials of whoever sends it; throws what `readForm` throws. */
export async function readClientRequest(request: Request): Promise<ClientRequest> {
  return { form: await readForm(request), authorization: request.headers.get('authorization') }
}

/**
 * Reads a JSON object; throws `invalid_request` for another type, duplicate members and, where `members` are named, any
 * other, and otherwise likewise.
 */
export async function readJson(request: Request, members?: readonly string[]): Promise<JsonObject> {
  const body = parseStrictJsonObject(await readText(request, 'application/json'))
  if (members !== undefined) assertKnown('member of this body', Object.keys(body), members)
  return body
}

async function readText(request: Request, contentType: string): Promise<string> {
  assertReadable(request, contentType)
  const bytes = await readBytes(request).catch((error) => {
    // A caller who hangs up halfway is no fault of this server.
    throw AuthsecError.is(error) ? error : new AuthsecError('invalid_request', 'the body broke off')
  })
  try {
    return utf8.decode(bytes)
  } catch {
    throw new AuthsecError('invalid_request', 'the body is not UTF-8')
  }
}

// What is read is what was sent: nothing is guessed from the bytes, unpacked or converted.
function assertReadable({ headers }: Request, contentType: string): void {
  const [actual, ...parameters] = (headers.get('content-type') ?? 'none').toLowerCase().split(';')
  if (actual?.trim() !== contentType) {
    throw new AuthsecError(
      'invalid_request',
      `the content type ${quote(actual?.trim())} is not ${contentType}`,
    )
  }
  for (const parameter of parameters) {
    const [, value] = /^\s*charset\s*=(.*)$/.exec(parameter) ?? []
    // Taken off one after the other: a pattern for all of it would try every way to share out white space.
    const charset = value?.trim().replace(/^"(.*)"$/, '$1')
    if (charset === undefined || CHARSETS.includes(charset)) continue
    throw new AuthsecError('unsupported_media_type', `the charset ${quote(charset)} is not utf-8`)
  }
  const encoding = headers.get('content-encoding')?.trim().toLowerCase() ?? 'identity'
  if (encoding === 'identity') return
  throw new AuthsecError('unsupported_media_type', `the content encoding ${quote(encoding)} is not identity`)
}

async function readBytes(request: Request): Promise<Uint8Array> {
  if (Number(request.headers.get('content-length') ?? 0) > MAX_BODY_BYTES) throw tooLarge()
  // A declared length has been checked above and is enforced by the HTTP parser: no need to count again.
  if (request.headers.has('content-length')) return new Uint8Array(await request.arrayBuffer())
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of request.body ?? []) {
    length += chunk.byteLength
    if (length > MAX_BODY_BYTES) throw tooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function tooLarge(): AuthsecError {
  return new AuthsecError('content_too_large', `the body is larger than ${MAX_BODY_BYTES / 1024} KiB`)
}

// RFC 8693 §2.1 and RFC 8707 §2 let these two stand several times; a token of this server is for one API all the same.
function refuseTwin(name: string): AuthsecError {
  if (name === 'resource' || name === 'audience') {
    return new AuthsecError('invalid_target', `${name} stands twice: a token is for one API`)
  }
  return new AuthsecError('invalid_request', `the parameter ${quote(name)} stands twice`)
}
