import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestProject } from 'vitest/node'
import { type PostgresCluster, startPostgresCluster } from './postgres-cluster.js'

declare module 'vitest' {
  interface ProvidedContext {
    /** Answers with the URL of the PostgreSQL server that all test files share. */
    postgresHost: string
  }
}

// Started by the first test file that asks, so that a run that needs none starts none.
let cluster: Promise<PostgresCluster> | undefined
let host: Server | undefined

/** Offers the test files one PostgreSQL server: the one of `AUTHSEC_TEST_POSTGRES_URL`, or one of its own. */
export async function setup({ provide }: TestProject): Promise<void> {
  const given = process.env['AUTHSEC_TEST_POSTGRES_URL']
  const server = createServer(async (_request, response) => {
    try {
      cluster ??= given === undefined ? startPostgresCluster() : undefined
      response.end(given ?? (await cluster)?.url)
    } catch (error) {
      response.writeHead(500).end(String(error))
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  host = server
  provide('postgresHost', `http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
}

export async function teardown(): Promise<void> {
  host?.closeAllConnections()
  host?.close()
  await (await cluster?.catch(() => undefined))?.remove()
}
