import { toPrintable } from '../core/printable.js'

const LONGEST_VALUE = 300

/**
 * The parameters of the Bearer challenge of an API (RFC 6750 §3), printable and cut; empty where there is none. Of a name
 * that stands twice the first counts.
 */
export function readChallenge(headers: Headers): ReadonlyMap<string, string> {
  const header = (headers.get('www-authenticate') ?? '').slice(0, 8_192)
  const [, text = ''] = /(?:^|,)\s*Bearer\s+(.*)$/is.exec(header) ?? []
  const parameters = new Map<string, string>()
  for (const [, name = '', quoted, plain = ''] of text.matchAll(
    /([\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g,
  )) {
    const value = quoted?.replace(/\\(.)/g, '$1') ?? plain
    if (!parameters.has(name)) parameters.set(name.toLowerCase(), toPrintable(value.slice(0, LONGEST_VALUE)))
  }
  return parameters
}
