import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { type JsonObject, parseStrictJsonObject } from '../core/strict-json.js'
import { isText, notText } from './fields.js'

const MAX_BODY_BYTES = 64 * 1024

const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * Reads an OAuth form (RFC 6749 §3.2): one value for each parameter, empty ones count as absent. Throws
 * `invalid_request` for another content type, a parameter sent twice or one that is not text, and `content_too_large`
 * beyond 64 KiB.
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

/** Reads a JSON object; throws `invalid_request` for another type or duplicate members, and `content_too_large`. */
export async function readJson(request: Request): Promise<JsonObject> {
  return parseStrictJsonObject(await readText(request, 'application/json'))
}

async function readText(request: Request, contentType: string): Promise<string> {
  const actual = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (actual !== contentType) {
    throw new AuthsecError(
      'invalid_request',
      `the content type ${quote(actual ?? 'none')} is not ${contentType}`,
    )
  }
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
