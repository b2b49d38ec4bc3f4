import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { execaNode } from 'execa'
import { beforeAll, describe, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../support/running-server.js'
import { type InstalledPackage, installPackage } from './installed-package.js'

let installed: InstalledPackage
let server: TestServer
beforeAll(async () => {
  installed = installPackage()
  server = await startTestServer({ clock: Date.now })
  return async () => {
    await server.close()
    installed.remove()
  }
})

const REQUEST = "{ audience: 'https://billing.example', permissions: ['billing:read'] }"

/** Runs a program with a client in it, as somebody who has installed the package; returns what it prints. */
async function runAgent(name: string, program: string): Promise<string> {
  const options = JSON.stringify({ serverUrl: server.url, clientId: server.clientId })
  const file = path.join(installed.directory, `${name}.mjs`)
  writeFileSync(
    file,
    `import { createAuthsecClient } from 'authsec'
     const authsec = createAuthsecClient(${options})
     ${program}`,
  )
  // A timer that kept the process would keep it for a minute at least.
  const { stdout } = await execaNode(file, { cwd: installed.directory, timeout: 30_000 })
  return stdout
}

async function countExchanges(): Promise<number> {
  const path = '/audit/events?filter=type=token.exchanged&last=100'
  return (await server.call('GET', path, { admin: true })).json.events.length
}

describe('a process with a client in it', () => {
  test('ends when its own work is done, although tokens are kept', async () => {
    const printed = await runAgent(
      'short',
      `const token = await authsec.getDelegationToken(${REQUEST})
       console.log(token.permissions.join(), authsec.stats().entries)`,
    )
    expect(printed).toBe('billing:read 2')
  })

  test('keeps the tokens of each worker thread apart', async () => {
    const before = await countExchanges()
    const printed = await runAgent(
      'threads',
      `import { once } from 'node:events'
       import { isMainThread, parentPort, Worker } from 'node:worker_threads'
       const tokens = [await authsec.getDelegationToken(${REQUEST}), await authsec.getDelegationToken(${REQUEST})]
       const ids = tokens.map(({ jti }) => jti)
       if (!isMainThread) parentPort.postMessage(ids)
       else {
         const others = await Promise.all([1, 2].map(async () => (await once(new Worker(new URL(import.meta.url)), 'message'))[0]))
         console.log(new Set([ids, ...others].flat()).size)
       }`,
    )
    // One token for each of the three, which it asked for twice.
    expect(printed).toBe('3')
    expect((await countExchanges()) - before).toBe(3)
  })

  test('prints no token, whatever is printed of a client and a token', async () => {
    const printed = await runAgent(
      'printing',
      `import { inspect } from 'node:util'
       const token = await authsec.getDelegationToken(${REQUEST})
       console.log(token, authsec, [token], JSON.stringify({ token, authsec }))
       console.log(inspect({ token, authsec }, { depth: null, showHidden: true, showProxy: true, getters: true }))
       console.error(token)
       process.stdout.write(token.reveal() === token.authorization().slice(7) ? 'end' : 'broken')`,
    )
    expect(printed).toMatch(/\[redacted\](.|\n)*end$/)
    expect(printed).not.toContain('eyJ')
  })
})
