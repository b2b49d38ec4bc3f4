import type { ServerOptions } from '../../src/server/index.js'
import { type Run, type RunOptions, runCli } from './run-cli.js'
import { startTestServer, type TestServer } from './running-server.js'

/** The command line in front of a real server, with the session of its admin and at its time. */
export interface ServedCli {
  server: TestServer
  run(args: readonly string[], options?: RunOptions): Promise<Run>
  /** The same with --json, whose object it returns; throws unless the command ends with 0. */
  // biome-ignore lint/suspicious/noExplicitAny: an answer is whatever the command prints; the tests look closer.
  read(args: readonly string[]): Promise<any>
  /** Lets the admin delegate to the agents of the seed, as its members may. */
  letAdminDelegate(): Promise<void>
}

/** Starts a server for the command line to talk to. */
export async function serveCli(options: Partial<ServerOptions> = {}): Promise<ServedCli> {
  const server = await startTestServer(options)
  const run: ServedCli['run'] = (args, { env, ...options } = {}) =>
    runCli(args, {
      clock: { now: () => server.now },
      fetch: globalThis.fetch,
      ...options,
      env: {
        AUTHSEC_SERVER: server.url,
        AUTHSEC_TENANT: server.tenantId,
        AUTHSEC_CLIENT_ID: server.clientId,
        AUTHSEC_TOKEN: server.adminToken,
        ...env,
      },
    })
  const read: ServedCli['read'] = async (args) => {
    const { code, stdout, stderr } = await run([...args, '--json'])
    if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${stderr}`)
    return JSON.parse(stdout)
  }
  return {
    server,
    run,
    read,
    async letAdminDelegate() {
      const terms = ['--role', 'admin', '--agent-type', 'langchain', '--max-ttl', '24h']
      const reach = ['--permission', 'billing:read', '--resource', 'https://billing.example']
      await read(['policy', 'create', ...terms, ...reach])
    },
  }
}
