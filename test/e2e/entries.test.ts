import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { execaNode } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type InstalledPackage, installPackage, readDependencies } from './installed-package.js'

const ALONE = [
  'authsec',
  'authsec/verify',
  'authsec/express',
  'authsec/fastify',
  'authsec/hono',
  'authsec/web',
]

/** Where an entry has everything it needs, and nothing more. */
const installations: Record<'alone' | 'langchain' | 'server' | 'types', InstalledPackage | undefined> = {
  alone: undefined,
  langchain: undefined,
  server: undefined,
  types: undefined,
}

beforeAll(() => {
  installations.alone = installPackage()
  installations.langchain = installPackage(['@langchain/core'])
  installations.server = installPackage(readDependencies().always)
  installations.types = installPackage([...readDependencies().always, '@langchain/core', '@types/node'])
})

afterAll(() => {
  for (const installation of Object.values(installations)) installation?.remove()
})

describe('an installed entry', () => {
  const entries = [
    ...ALONE.map((entry) => ({ entry, where: 'alone' as const })),
    { entry: 'authsec/langchain', where: 'langchain' as const },
    { entry: 'authsec/server', where: 'server' as const },
    { entry: 'authsec/testing', where: 'server' as const },
  ]

  test.each(entries)('$entry can be imported', async ({ entry, where }) => {
    const names = await runScript(where, `console.log(Object.keys(await import('${entry}')).join())`)
    expect(names).toMatch(/^\w+(?:,\w+)*$/)
    expect(names.split(',')).not.toContain('default')
  })

  test.each(entries)('$entry can be required from CommonJS', async ({ entry, where }) => {
    const script = `
      import { createRequire } from 'node:module'
      const names = Object.keys(createRequire(import.meta.url)('${entry}'))
      console.log(names.filter((name) => name !== '__esModule').length > 0)`
    expect(await runScript(where, script)).toBe('true')
  })

  test('authsec loads nothing but its own files and modules of Node', async () => {
    // The hook runs in its own thread, so it tells what it saw through a file descriptor.
    const hook = `
      import { writeSync } from 'node:fs'
      export async function load(url, context, next) { writeSync(1, url + '\\n'); return next(url, context) }`
    const script = `
      import { register } from 'node:module'
      register('data:text/javascript,' + ${JSON.stringify(encodeURIComponent(hook))})
      await import('authsec')`
    const loaded = (await runScript('alone', script)).split('\n')
    expect(loaded.some((url) => url.endsWith('/dist/sdk/index.js'))).toBe(true)
    const foreign = loaded.filter((url) => !/^node:|\/node_modules\/authsec\/dist\//.test(url))
    expect(foreign).toEqual([])
  })

  test('an inner file cannot be imported', async () => {
    const script = "await import('authsec/dist/core/jwt.js').catch((error) => console.log(error.code))"
    expect(await runScript('alone', script)).toBe('ERR_PACKAGE_PATH_NOT_EXPORTED')
  })

  test('authsec/langchain without its peer says which package is missing', async () => {
    const script = "await import('authsec/langchain').catch((error) => console.log(error.message))"
    expect(await runScript('alone', script)).toContain('@langchain/core')
  })

  // langchain is not there: only delegationMiddleware is for it.
  test('the declarations compile in a strict project that checks them too', async () => {
    const { directory } = installed('types')
    const imports = entries.map(({ entry }, index) => `export * as entry${index} from '${entry}'`)
    writeFileSync(path.join(directory, 'consumer.mts'), imports.join('\n'))
    const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
    const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node']
    const run = await execaNode(tsc, [...options, 'consumer.mts'], { cwd: directory, reject: false })
    expect(run).toMatchObject({ stdout: '', exitCode: 0 })
  })
})

async function runScript(where: keyof typeof installations, script: string): Promise<string> {
  const { directory } = installed(where)
  const file = path.join(directory, 'script.mjs')
  writeFileSync(file, script)
  const { stdout } = await execaNode(file, { cwd: directory })
  return stdout
}

function installed(where: keyof typeof installations): InstalledPackage {
  const installation = installations[where]
  if (installation === undefined) throw new Error(`nothing is installed as ${where}`)
  return installation
}
