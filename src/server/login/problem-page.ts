import { html, renderPage } from './html.js'

/** A failure for a person who looks at a page, with the id under which the log knows it. */
export function renderProblem(
  message: string,
  { hint, status, requestId }: { hint: string | undefined; status: number; requestId: string },
): Response {
  return renderPage(
    html`<h1>This did not work</h1>
<p role="alert">${message}</p>
${hint === undefined ? undefined : html`<p>${hint}</p>`}
<p>Request ${requestId}</p>`,
    { title: 'This did not work', status },
  )
}
