import { authsecPaths, type Endpoint } from '../endpoint.js'

/** Health, one for each of AuthSec's services; by them a client tells which generation it talks to. */
export const HEALTH_ENDPOINTS: readonly Endpoint<'public'>[] = [
  createHealth('/uflow', { status: 'healthy', service: 'user-flow' }),
  createHealth('/clientms', { status: 'healthy', service: 'clients-microservice' }),
  createHealth('/authmgr', { status: 'healthy', service: 'auth-manager', version: 'dev' }),
  createHealth('/exsvc', { status: 'ok', service: 'external-service' }),
  createHealth('/spire', { status: 'healthy', service: 'spire' }),
]

function createHealth(prefix: string, body: object): Endpoint<'public'> {
  return {
    method: 'GET',
    paths: authsecPaths(`${prefix}/health`),
    access: 'public',
    modes: ['dev', 'shared'],
    summary: `Health of ${prefix}`,
    speaks: 'AuthSec A',
    event: undefined,
    errors: 'authsec',
    crossOrigin: true,
    handle: async () => Response.json(body),
  }
}
