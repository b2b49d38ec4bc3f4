import type { RunningServer } from '../server/index.js'

/** Somebody who is asked for approval, and answers by the server's own API as an app on a phone would. */
export interface Person {
  /** Reads what waits for them, says yes to it, and resolves to what they have read. */
  approve(): Promise<string>
}

/** Signs a user in; rejects where the server does not let them. */
export async function signIn(
  server: Pick<RunningServer, 'url'>,
  email: string,
  password: string,
): Promise<Person> {
  const { token } = await call('POST', '/authsec/uflow/auth/admin/login', { email, password })

  async function call(method: string, path: string, body?: object, session?: string) {
    const response = await fetch(`${server.url}${path}`, {
      method,
      headers: {
        'content-type': 'application/json',
        ...(session !== undefined && { authorization: `Bearer ${session}` }),
      },
      ...(body && { body: JSON.stringify(body) }),
    })
    if (!response.ok) throw new Error(`the server answered ${method} ${path} with ${response.status}`)
    return (await response.json()) as { token?: string; requests?: WaitingRequest[] }
  }

  return {
    async approve() {
      const { requests = [] } = await call('GET', '/authsec/uflow/auth/ciba/requests', undefined, token)
      const [first] = requests
      if (first === undefined) throw new Error('nothing waits for an answer')
      const answer = { auth_req_id: first.auth_req_id, approved: true }
      await call('POST', '/authsec/uflow/auth/ciba/respond', answer, token)
      return first.binding_message
    },
  }
}

interface WaitingRequest {
  auth_req_id: string
  binding_message: string
}
