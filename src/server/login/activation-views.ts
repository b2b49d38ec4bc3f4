import { ADMIN_PERMISSION } from '../../authority/sessions.js'
import { type Html, html, type PageOptions, renderPage } from './html.js'
import { ACTIVATION_PATH } from './wire.js'

/** What every form of the page shows and carries. */
interface FormView {
  formToken: string
  /** Who is logged in. */
  person: string | undefined
  userCode: string
}

type Answer = Omit<PageOptions, 'title'>

/** The form for the code, and for who one is unless that is known. */
export function renderCodeForm(
  view: FormView & { email?: string; alert?: string },
  answer: Answer,
): Response {
  const { person, userCode, alert, email = '' } = view
  const alertId = alert === undefined ? undefined : html` aria-describedby="alert"`
  return renderPage(
    html`<h1>Connect a device</h1>
${alert === undefined ? undefined : html`<p role="alert" id="alert">${alert}</p>`}
${openForm(view)}
<label for="user_code">Code shown on the device</label>
<input id="user_code" name="user_code" value="${userCode}" required maxlength="64" autocomplete="off" autocapitalize="characters" spellcheck="false"${alertId}>
${person === undefined ? renderCredentials(email) : renderPerson(person)}
<button type="submit" name="step" value="look">Continue</button>
${person === undefined ? undefined : html`<button type="submit" name="step" value="forget" formnovalidate>Use another account</button>`}
</form>`,
    { ...answer, title: alert === undefined ? 'Connect a device' : 'Error: connect a device' },
  )
}

/** The question whether the device may log in. */
export function renderQuestion(
  view: FormView & {
    person: string
    client: string | undefined
    deviceInfo: string | undefined
    permissions: readonly string[]
  },
  answer: Answer,
): Response {
  const { userCode, person, client, deviceInfo, permissions } = view
  return renderPage(
    html`<h1>Let this device log in?</h1>
<p class="code">${userCode}</p>
<p>Approve only if <strong>you</strong> started this just now and the device shows this code.</p>
<p>${client === undefined ? 'A program that does not say who it is' : html`The program <strong>${client}</strong>`} will act as <strong>${person}</strong>.</p>
${deviceInfo === undefined ? undefined : html`<p>The device says of itself: ${deviceInfo}</p>`}
${renderPermissions(permissions)}
${openForm(view)}
<input type="hidden" name="user_code" value="${userCode}">
<button type="submit" name="step" value="approve">Approve</button>
<button type="submit" name="step" value="deny">Deny</button>
</form>`,
    { ...answer, title: 'Let this device log in?' },
  )
}

export function renderAnswer(approved: boolean): Response {
  const title = approved ? 'The device is connected' : 'The device was refused'
  const text = approved
    ? 'Go back to the device: it will go on by itself within a few seconds.'
    : 'It gets no access. If you did not start this, somebody else did.'
  return renderPage(html`<h1>${title}</h1>\n<p>${text}</p>`, { title })
}

function openForm({ formToken }: FormView): Html {
  return html`<form method="post" action="${ACTIVATION_PATH}">
<input type="hidden" name="form_token" value="${formToken}">`
}

function renderCredentials(email: string): Html {
  return html`<label for="email">E-mail address</label>
<input id="email" name="email" type="email" value="${email}" required maxlength="512" autocomplete="username">
<label for="password">Password</label>
<input id="password" name="password" type="password" required maxlength="1024" autocomplete="current-password">`
}

function renderPerson(person: string): Html {
  return html`<p>You are logged in as <strong>${person}</strong>.</p>`
}

function renderPermissions(permissions: readonly string[]): Html {
  if (permissions.length === 0) {
    return html`<p role="alert">You hold none of the permissions it asks for: approving gives it nothing.</p>`
  }
  const items = permissions.map((permission) =>
    permission === ADMIN_PERMISSION
      ? html`<li><strong>${permission}</strong>: the administration of this server</li>`
      : html`<li>${permission}</li>`,
  )
  return html`<p>It will be able to use:</p>
<ul>
${items}
</ul>`
}
