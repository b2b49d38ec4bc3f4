import type { Endpoint } from '../endpoint.js'

const FOR_PROBES = {
  method: 'GET',
  access: 'public',
  modes: ['dev', 'shared'],
  speaks: 'authsec',
  event: undefined,
  errors: 'authsec',
  crossOrigin: true,
  anyHost: true,
} as const

/** Whether the process is alive: where this is not answered, it has to be started anew. */
const alive: Endpoint<'public'> = {
  ...FOR_PROBES,
  paths: ['/healthz'],
  summary: 'Whether the process is alive',

  handle: async () => Response.json({ status: 'alive' }),
}

/** Whether to send requests here: not while it cannot write or has lost touch with the others, nor while it stops. */
const ready: Endpoint<'public'> = {
  ...FOR_PROBES,
  paths: ['/readyz'],
  summary: 'Whether it can do its work: the store, the keys, the lease among its replicas',

  async handle(_request, { authority, leaving }) {
    if (leaving.aborted) return answer(503, { status: 'stopping' })
    const report = await authority.readiness.check()
    const checks = Object.fromEntries(Object.entries(report).map(([name, lack = 'ok']) => [name, lack]))
    const isReady = Object.values(report).every((lack) => lack === undefined)
    return isReady ? answer(200, { status: 'ready', checks }) : answer(503, { status: 'unavailable', checks })
  },
}

/** What load balancers and supervisors ask. */
export const PROBE_ENDPOINTS: readonly Endpoint<'public'>[] = [alive, ready]

function answer(status: number, body: object): Response {
  return Response.json(body, { status, ...(status === 503 && { headers: { 'retry-after': '1' } }) })
}
