// Our server over the sources, in a process of its own: the one of the bench that records nothing differs from it by one
// module alone. Says its address and its session in one line of JSON.

import { startServer } from '../../src/server/start.ts'

const server = await startServer({ port: 0, state: process.argv[2] })
const { url, clientId, adminToken } = server
process.stdout.write(`${JSON.stringify({ url, client_id: clientId, admin_token: adminToken })}\n`)
process.once('SIGTERM', async () => {
  await server.close()
  process.exit()
})
