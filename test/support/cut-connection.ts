import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface CutConnection {
  port: number
  /** From now on: the next answer to `statement` is lost, and with it the connection. */
  loseAnswerTo(statement: string): void
  close(): Promise<void>
}

/** Stands between a client and a PostgreSQL server on this machine, and loses an answer when it is told to. */
export async function openCutConnection(port: number): Promise<CutConnection> {
  const sockets = new Set<Socket>()
  let fatal: Buffer | undefined

  const server = createServer((client) => {
    const database = connect(port, '127.0.0.1')
    let isDoomed = false
    for (const socket of [client, database]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        client.destroy()
        database.destroy()
      })
    }
    client.on('data', (bytes) => {
      if (fatal !== undefined && bytes.includes(fatal)) {
        isDoomed = true
        fatal = undefined
      }
      database.write(bytes)
    })
    database.on('data', (bytes) => {
      if (isDoomed) client.destroy()
      else client.write(bytes)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  return {
    port: (server.address() as AddressInfo).port,
    loseAnswerTo(statement) {
      // A simple query: its type, its length, its text, and a zero.
      fatal = Buffer.from(`${statement}\0`)
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
