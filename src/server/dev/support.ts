import type { AnyEndpoint, Endpoint } from '../endpoint.js'
import { describeSupport } from '../support-matrix.js'

/** Makes the endpoint that tells what is served and how faithfully; the list is asked for when somebody wants it. */
export function createSupport(listEndpoints: () => readonly AnyEndpoint[]): Endpoint<'public'> {
  return {
    method: 'GET',
    paths: ['/dev/support'],
    access: 'public',
    modes: ['dev'],
    summary: 'What this server speaks, where it differs, and what it does not speak',
    speaks: 'authsec',
    event: undefined,
    errors: 'authsec',

    async handle() {
      return Response.json(describeSupport(listEndpoints()))
    },
  }
}
