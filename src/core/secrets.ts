import { matchEscaped } from './escaped-forms.js'
import { concealTokens } from './token-concealing.js'

// The members of requests that a server must never make us repeat: RFC 6749 §2.3.1 and §6, RFC 7521 §4, RFC 8628 §3.4,
// RFC 8693 §2.1, RFC 7009 §2.1, CIBA §10.1, and the password of a login.
const SECRET_MEMBERS: readonly string[] = [
  'client_secret',
  'client_assertion',
  'password',
  'token',
  'refresh_token',
  'subject_token',
  'actor_token',
  'assertion',
  'device_code',
  'auth_req_id',
]

/**
 * So many characters of secrets fit into a pattern; what does not is found as it was sent, in JSON, an address or a
 * form.
 */
const MAX_PATTERN = 256

/**
 * What of a request is secret: its credentials, as they are sent and as they were before, and its secret members. The
 * names of headers may be spelled in any case.
 */
export function listSentSecrets(
  headers: Readonly<Record<string, string>>,
  members: Iterable<readonly [name: string, value: unknown]>,
): string[] {
  const [scheme, credentials = ''] = (new Headers(headers).get('authorization') ?? '').split(' ')
  const basic = scheme === 'Basic' ? decodeBasic(credentials) : ''
  const sent = [...members].filter(([name]) => SECRET_MEMBERS.includes(name)).map(([, value]) => value)
  return [credentials, basic, ...sent].filter(
    (text): text is string => typeof text === 'string' && text !== '',
  )
}

/**
 * A server's words without what it was sent in confidence, however it writes that, and without whatever else looks like
 * a token.
 */
export function concealSecrets(text: string, sent: readonly string[]): string {
  // Few words hold a session, and each request has some: there is nothing to be looked for in most of them.
  const possible = sent.filter((secret) => secret.length <= text.length).sort((a, b) => a.length - b.length)
  let room = MAX_PATTERN
  const [short, long]: [string[], string[]] = [[], []]
  for (const secret of possible) {
    room -= secret.length
    const list = room < 0 ? long : short
    list.push(secret)
  }
  const rest = long
    .flatMap(listSpellings)
    .reduce((words, spelling) => words.replaceAll(spelling, '[secret]'), text)
  return concealTokens(short.length === 0 ? rest : rest.replace(matchEscaped(short), '[secret]'))
}

function listSpellings(secret: string): string[] {
  const form = new URLSearchParams([['', secret]]).toString().slice(1)
  return [secret, JSON.stringify(secret).slice(1, -1), form, form.replaceAll('+', '%20')]
}

// Both halves are form-encoded before they are joined (RFC 6749 §2.3.1).
function decodeBasic(credentials: string): string {
  try {
    const [, secret = ''] = atob(credentials).split(':')
    return new URLSearchParams(`secret=${secret}`).get('secret') ?? ''
  } catch {
    return ''
  }
}
