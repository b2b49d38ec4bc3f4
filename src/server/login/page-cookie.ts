import { PAGE_SESSION_TTL } from '../../authority/page-sessions.js'

const NAME = 'authsec_page'
const HANDLE = /^[A-Za-z0-9_-]{43}$/

/** The handle in the page's cookie; one that is there twice, or has another form, is none. */
export function readPageCookie(request: Request): string | undefined {
  const values = (request.headers.get('cookie') ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${NAME}=`))
    .map((pair) => pair.slice(NAME.length + 1))
  const [value, ...others] = values
  return value !== undefined && others.length === 0 && HANDLE.test(value) ? value : undefined
}

/** No script reads it, and no page of another site makes the browser send it. */
export function writePageCookie(handle: string, serverUrl: string): Record<string, string> {
  const secure = serverUrl.startsWith('https:') ? '; Secure' : ''
  return {
    'set-cookie': `${NAME}=${handle}; Path=/; Max-Age=${PAGE_SESSION_TTL}; HttpOnly; SameSite=Strict${secure}`,
  }
}
