import { describe, expect, test } from 'vitest'
import { isBuiltin, parseSource, readSourceTree, resolveRelative, type SourceFile } from './source-tree.js'

const CLIENT_HALF = ['api', 'sdk', 'verify', 'middleware', 'langchain']
const SERVER_HALF = ['store', 'authority', 'server']

/** Who may import whom besides itself. The client half and the server half meet only over the wire. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  api: ['core'],
  sdk: ['core'],
  // An API that asks the server about a token is a client of it: it proves who it is as an agent does.
  verify: ['core', 'sdk'],
  langchain: ['core', 'sdk'],
  middleware: ['core', 'verify'],
  store: ['core'],
  authority: ['core', 'store'],
  server: ['core', 'store', 'authority'],
  testing: ['core', ...CLIENT_HALF, ...SERVER_HALF],
  demo: ['core', ...CLIENT_HALF, ...SERVER_HALF],
  cli: ['core', ...CLIENT_HALF, ...SERVER_HALF, 'demo'],
}

/** What the command loads only when a command needs it, so that every other command starts at once. */
const LAZY_FOR_CLI = [...SERVER_HALF, 'langchain', 'demo']

const tree = readSourceTree()

describe('the layers', () => {
  test('every file is in a known layer', () => {
    const unknown = tree.filter((file) => MAY_IMPORT[layerOf(file.name)] === undefined)
    expect(unknown.map((file) => file.name)).toEqual([])
  })

  test('no layer imports one that it may not, not even a type', () => {
    expect(tree.flatMap(findTrespasses)).toEqual([])
  })

  test('the command loads the server half, langchain and the demo only when it needs them', () => {
    const eager = tree
      .filter((file) => layerOf(file.name) === 'cli')
      .flatMap((file) =>
        file.imports
          .filter((found) => !found.typeOnly && !found.lazy)
          .filter((found) => LAZY_FOR_CLI.includes(layerOf(resolveRelative(file, found.specifier) ?? '')))
          .map((found) => `${file.name} imports ${found.specifier}`),
      )
    expect(eager).toEqual([])
  })

  test('core imports nothing but core', () => {
    const foreign = tree
      .filter((file) => layerOf(file.name) === 'core')
      .flatMap((file) => file.imports.map(({ specifier }) => `${file.name} imports ${specifier}`))
      .filter((line) => !/ imports \.\/[a-z0-9-]+\.js$/.test(line))
    expect(foreign).toEqual([])
  })

  test('core asks no clock, no chance and no process', () => {
    const impure = /\b(?:Date\.now|new Date\(\)|Math\.random|performance|process|crypto|fetch|setTimeout)\b/
    const found = tree
      .filter((file) => layerOf(file.name) === 'core')
      .filter((file) => impure.test(withoutComments(file.text)))
    expect(found.map((file) => file.name)).toEqual([])
  })

  test('modules of Node are imported by their full name', () => {
    const short = tree.flatMap((file) =>
      file.imports
        .filter(({ specifier }) => isBuiltin(specifier) && !specifier.startsWith('node:'))
        .map(({ specifier }) => `${file.name} imports ${specifier}`),
    )
    expect(short).toEqual([])
  })
})

describe('findTrespasses', () => {
  test.each([
    { name: 'sdk/client.ts', text: "import { a } from '../server/app.js'" },
    { name: 'sdk/client.ts', text: "import type { A } from '../authority/tokens.js'" },
    { name: 'verify/claims.ts', text: "export { a } from '../middleware/express.js'" },
    { name: 'sdk/client.ts', text: "export { a } from '../verify/index.js'" },
    { name: 'store/open.ts', text: "export * from '../authority/keys.js'" },
    { name: 'server/app.ts', text: "const a = await import('../sdk/index.js')" },
    { name: 'core/jwt.ts', text: "let a: import('../verify/key-set.js').KeySet" },
    { name: 'demo/story.ts', text: "import '../cli/io.js'" },
    { name: 'cli/main.ts', text: "import '../testing/index.js'" },
    { name: 'cli/main.ts', text: "import '../../test/support/run-cli.js'" },
  ])('finds $text in $name', ({ name, text }) => {
    expect(findTrespasses(parseSource(name, text))).toHaveLength(1)
  })

  test.each([
    { name: 'sdk/client.ts', text: "import { a } from '../core/jwt.js'" },
    { name: 'cli/commands/dev/serve.ts', text: "await import('../../../server/start.js')" },
    { name: 'authority/grants/a.ts', text: "import { a } from '../tokens.js'" },
    { name: 'sdk/client.ts', text: "// import { a } from '../server/app.js'" },
  ])('allows $text in $name', ({ name, text }) => {
    expect(findTrespasses(parseSource(name, text))).toEqual([])
  })
})

function findTrespasses(file: SourceFile): string[] {
  const layer = layerOf(file.name)
  return file.imports.flatMap(({ specifier }) => {
    const target = resolveRelative(file, specifier)
    if (target === undefined || isPackageJson(target)) return []
    const allowed = layerOf(target) === layer || MAY_IMPORT[layer]?.includes(layerOf(target))
    return allowed ? [] : [`${file.name} imports ${target}`]
  })
}

function layerOf(name: string): string {
  return name.slice(0, name.indexOf('/'))
}

// The one file outside src that may be read as a module: it holds the version.
function isPackageJson(target: string): boolean {
  return target === '../package.json'
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
}
