import { createHash } from 'node:crypto'
import { toPrintable } from '../../core/printable.js'

/** Text that is HTML already; everything else is escaped on its way into a page. */
export interface Html {
  readonly html: string
}

type Insertable = Html | string | number | undefined | readonly Html[]

/** Writes HTML; what is inserted is made printable and escaped, unless it is HTML itself. */
export function html(strings: TemplateStringsArray, ...values: readonly Insertable[]): Html {
  return { html: strings.reduce((text, part, index) => text + format(values[index - 1]) + part) }
}

export interface PageOptions {
  title: string
  status?: number
  headers?: Record<string, string>
}

// The one style of every page; the policy below names it by its hash.
const STYLE =
  ':root{color-scheme:light dark;font:1rem/1.5 system-ui,sans-serif}' +
  'body{max-width:32rem;margin:3rem auto;padding:0 1rem}' +
  'label{display:block;margin-top:1rem;font-weight:600}' +
  'input{box-sizing:border-box;width:100%;padding:.6rem;font:inherit}' +
  'button{margin:1.5rem .75rem 0 0;padding:.6rem 1.25rem;font:inherit}' +
  ':focus-visible{outline:3px solid #1a73e8;outline-offset:2px}' +
  '.code{font:600 1.75rem/1.2 ui-monospace,monospace;letter-spacing:.1em}' +
  '[role=alert]{padding:.75rem 1rem;border:2px solid #b3261e}'

const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64')

/**
 * A whole page. It runs no script, loads nothing, is shown in no frame, and tells no other origin where it was.
 * `same-origin` and not `no-referrer`: with that, a browser sends `Origin: null` with our own forms.
 */
export function renderPage(content: Html, { title, status = 200, headers = {} }: PageOptions): Response {
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${{ html: STYLE }}</style>
</head>
<body>
<main>
${content}
</main>
</body>
</html>
`
  return new Response(page.html, {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy':
        `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; form-action 'self'; frame-ancestors 'none'; ` +
        "base-uri 'none'",
      'cross-origin-opener-policy': 'same-origin',
      'referrer-policy': 'same-origin',
      'x-frame-options': 'DENY',
      ...headers,
    },
  })
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function format(value: Insertable): string {
  if (value === undefined) return ''
  if (typeof value === 'object') {
    return 'html' in value ? value.html : value.map((part) => part.html).join('\n')
  }
  return toPrintable(String(value)).replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '')
}
