import { readFileSync } from 'node:fs'
import path from 'node:path'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ENDPOINTS, QUIRK_ENDPOINTS } from '../../src/server/endpoints.js'
import { listFiles, ROOT, readSourceTree, visitNodes } from '../architecture/source-tree.js'
import { exchangeForm, startTestServer, type TestServer } from '../support/running-server.js'
import { PROOFS } from './capabilities.js'

const README = readFileSync(path.join(ROOT, 'README.md'), 'utf8')
const METADATA = ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration']

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.close())

describe('the support matrix', () => {
  test('has a row for every endpoint, with what it says of itself', async () => {
    const { endpoints } = (await server.call('GET', '/dev/support')).json
    const expected = [...ENDPOINTS, ...QUIRK_ENDPOINTS].map(
      ({ method, paths, access, modes, speaks, summary, differences, quirk }) =>
        JSON.parse(JSON.stringify({ method, paths, access, modes, speaks, summary, differences, quirk })),
    )
    expect(endpoints).toEqual(expected)
  })

  test.each(
    [...ENDPOINTS, ...QUIRK_ENDPOINTS].flatMap(({ method, paths }) => paths.map((path) => [method, path])),
  )('has a row in the README for %s %s', (method, path) => {
    const table = README.slice(
      README.indexOf('<!-- support:start -->'),
      README.indexOf('<!-- support:end -->'),
    )
    const bare = (path as string).replace(/^\/authsec/, '')
    const spellings = [`\`${path}\``, `\`[/authsec]${bare}\``]
    const rows = table.split('\n').filter((line) => line.startsWith(`| \`${method}\` `))
    expect(rows.some((row) => spellings.some((spelling) => row.includes(spelling)))).toBe(true)
  })

  test('names every draft with its revision, wherever it is named', () => {
    const texts = [README, ...readSourceTree().map(({ text }) => text)]
    const drafts = texts.flatMap((text) => text.match(/\bdraft-[a-z0-9-]+/g) ?? [])
    expect(drafts.length).toBeGreaterThan(0)
    expect(drafts.filter((draft) => !/-\d\d$/.test(draft))).toEqual([])
  })
})

describe('what is deliberately not served', () => {
  test.each([
    'authorization_code',
    'refresh_token',
    'password',
    'implicit',
    'urn:ietf:params:oauth:grant-type:saml2-bearer',
  ])('is refused as a grant type: %s', async (grant_type) => {
    const reply = await server.call('POST', '/oauth/token', { form: { grant_type } })
    expect(reply).toMatchObject({ status: 400, json: { error: 'unsupported_grant_type' } })
  })

  test.each([
    'urn:ietf:params:oauth:token-type:refresh_token',
    'urn:ietf:params:oauth:token-type:id-jag',
    'urn:ietf:params:oauth:token-type:txn_token',
  ])('is refused as a requested token type: %s', async (requested_token_type) => {
    const form = {
      ...exchangeForm(server.clientId),
      subject_token: await server.pull(),
      requested_token_type,
    }
    expect(await server.call('POST', '/oauth/token', { form })).toMatchObject({
      status: 400,
      json: { error: 'invalid_request' },
    })
  })

  test.each(['/oauth/authorize', '/oauth/par', '/oauth/userinfo', '/oauth/logout', '/v1/jwt/issue'])(
    'is not there: %s',
    async (path) => {
      for (const method of ['GET', 'POST']) expect((await server.call(method, path)).status).toBe(404)
    },
  )

  test.each(METADATA)('is not advertised by %s', async (document) => {
    const { text } = await server.call('GET', document)
    const words =
      /"authorization_endpoint"|dpop|refresh|code_challenge|userinfo|end_session|pushed|mtls|jag|request_object/
    expect(text).not.toMatch(words)
  })
})

describe('what is advertised', () => {
  test('is exercised by a test, and nothing else has one by that name', async () => {
    const advertised = new Set(await listAdvertised())
    const proven = Object.keys(PROOFS)
    expect([...advertised].filter((capability) => !proven.includes(capability)).sort()).toEqual([])
    expect(proven.filter((capability) => !advertised.has(capability))).toEqual([])
  })

  test.each(Object.entries(PROOFS))('has a test that exists and uses it: %s', (capability, proof) => {
    const { file, title, word = capability.split(' ').at(-1) as string } = proof
    const used = readTest(file, title)
    expect(used, `${file} has no test "${title}"`).toBeDefined()
    expect(used?.includes(word), `"${title}" of ${file} does nothing with ${word}`).toBe(true)
  })
})

/** Every capability in every document that advertises any. */
async function listAdvertised(): Promise<string[]> {
  const get = async (path: string) => (await server.call('GET', path)).json
  const documents = await Promise.all([
    ...METADATA.map(get),
    get('/.well-known/oauth-protected-resource?resource=https://billing.example'),
  ])
  // The permissions of an API are data, not capabilities: that they are named is one.
  const resource = documents.at(-1)
  documents[documents.length - 1] = { ...resource, scopes_supported: 'named', authorization_servers: 'named' }
  const keys = async (path: string, name: string) =>
    (await get(path)).keys.map(({ alg }: { alg: string }) => `${name}.alg ${alg}`)
  return [
    ...documents.flatMap((document) => flatten(document)),
    ...(await keys('/oauth/jwks', 'jwks')),
    ...(await keys(`/v1/jwt/bundle?tenant_id=${server.tenantId}`, 'bundle')),
  ]
}

function flatten(value: unknown, name = ''): string[] {
  if (value === false) return []
  if (Array.isArray(value)) return value.map((item) => `${name} ${item}`)
  if (typeof value !== 'object' || value === null) return [name]
  return Object.entries(value).flatMap(([key, member]) =>
    flatten(member, name === '' ? key : `${name}.${key}`),
  )
}

/** A test, the tables of what stands around it, and every declaration that it uses, in its file or one that it imports. */
function readTest(file: string, title: string): string | undefined {
  const found: string[] = []
  visitNodes(parse(file), (node) => {
    if (!ts.isCallExpression(node) || !/^test\b(?!\.(?:skip|todo))/.test(node.expression.getText())) return
    const [first] = node.arguments
    if (first !== undefined && ts.isStringLiteralLike(first) && first.text === title) {
      found.push(node.getText(), ...listTables(node))
    }
  })
  if (found.length === 0) return undefined
  const declared = new Map(listTestFiles(file).flatMap(listDeclarations))
  // A set grows while it is walked through: what is used uses something too.
  const used = new Set(found)
  for (const text of used) {
    for (const [name] of text.matchAll(/[A-Za-z_$][\w$]*/g)) {
      const declaration = declared.get(name)
      if (declaration !== undefined) used.add(declaration)
    }
  }
  return [...used].join('\n')
}

/** The `describe.each(…)` around a test, without what stands in them. */
function listTables(node: ts.Node): string[] {
  const tables: string[] = []
  for (let parent = node.parent; parent !== undefined; parent = parent.parent) {
    if (ts.isCallExpression(parent)) tables.push(parent.expression.getText())
  }
  return tables
}

/** Whatever has a name, wherever it stands in a file. */
function listDeclarations(file: string): [name: string, text: string][] {
  const declarations: [string, string][] = []
  visitNodes(parse(file), (node) => {
    if (!ts.isFunctionDeclaration(node) && !ts.isVariableDeclaration(node)) return
    if (node.name !== undefined && ts.isIdentifier(node.name)) {
      declarations.push([node.name.text, node.getText()])
    }
  })
  return declarations
}

/** A file, and every file of the tests that it imports, itself or by another. */
function listTestFiles(file: string): string[] {
  const all = listFiles('test')
  const files = new Set([file])
  for (const current of files) {
    for (const [, specifier = ''] of readText(current).matchAll(/from '(\.[^']+)\.js'/g)) {
      const imported = `${path.posix.join(path.posix.dirname(current), specifier)}.ts`
      if (all.includes(imported)) files.add(imported)
    }
  }
  return [...files]
}

function parse(file: string): ts.SourceFile {
  return ts.createSourceFile(file, readText(file), ts.ScriptTarget.Latest, true)
}

function readText(file: string): string {
  return readFileSync(path.join(ROOT, file), 'utf8')
}
