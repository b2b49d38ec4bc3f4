import { readShape } from '../api/answer.js'
import { callServer } from '../api/http.js'
import { AuthsecError } from '../core/errors.js'
import { parseServerUrl } from '../core/server-url.js'
import type { JsonObject } from '../core/strict-json.js'
import type { Context } from './context.js'
import { maskSecrets } from './secret-delivery.js'
import { parseTokenInput, readTokenInput } from './token-input.js'

/** The identity token of a job. Nothing of it has been verified: the server does that. */
export interface JobIdentity {
  token: string
  claims: JsonObject
}

/**
 * Gets the identity token of the job that this is: from a file or standard input where one is named, otherwise from
 * GitHub, for the audience, or from the variable that GitLab sets. It is masked before anything can print it. Throws
 * `usage` where there is none, `token_malformed`, and what asking GitHub throws.
 */
export async function findJobIdentity(
  context: Context,
  { source, findAudience }: { source: string | undefined; findAudience: () => Promise<string> },
): Promise<JobIdentity> {
  const { io, environment } = context
  const input =
    source === undefined
      ? { token: await findToken(context, findAudience), stripped: [] }
      : await readTokenInput(io, source)
  maskSecrets(context, [...new Set([input.token, environment.identityToken])])
  return { token: input.token, claims: parseTokenInput(input).claims }
}

async function findToken(context: Context, findAudience: () => Promise<string>): Promise<string> {
  const { identityToken, variables } = context.environment
  if (identityToken !== undefined) return identityToken
  const { ACTIONS_ID_TOKEN_REQUEST_URL: address, ACTIONS_ID_TOKEN_REQUEST_TOKEN: session } = variables
  if (address && session)
    return await askGitHub(context, { address, session, audience: await findAudience() })
  throw new AuthsecError('usage', 'this job has no identity token', {
    hint: `${HINTS.github} ${HINTS.gitlab} Elsewhere name a file with --identity.`,
  })
}

const HINTS = {
  github: 'In GitHub Actions add to the job: permissions: {id-token: write}.',
  gitlab: 'In GitLab CI add to it: id_tokens: {AUTHSEC_ID_TOKEN: {aud: the address of the server}}.',
}

async function askGitHub(
  { fetch }: Context,
  { address, session, audience }: { address: string; session: string; audience: string },
): Promise<string> {
  const { origin, pathname, search } = parseServerUrl(address)
  const query = new URLSearchParams(search)
  query.set('audience', audience)
  try {
    const target = { serverUrl: origin, session, fetch }
    const path = `${pathname}?${query}`
    const body = await callServer(target, { method: 'GET', path, session: 'required' })
    return readShape(body, { value: 'text' }, 'answer').value
  } catch (error) {
    if (!AuthsecError.is(error)) throw error
    throw new AuthsecError(error.code, `GitHub gave no identity token: ${error.message}`, {
      hint: HINTS.github,
    })
  }
}
