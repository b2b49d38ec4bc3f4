import { readFileSync } from 'node:fs'
import path from 'node:path'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'
import { listFiles, parseSource, ROOT, readSourceTree, type SourceFile, visitNodes } from './source-tree.js'

const FORBIDDEN_NAMES = [
  'utils',
  'util',
  'helpers',
  'helper',
  'common',
  'shared',
  'misc',
  'types',
  'constants',
  'manager',
  'service',
  'base',
]
// The file of a command is named by the command.
const NAMED_BY_A_COMMAND = ['src/cli/commands/audit/types.ts']
// The command's surroundings, and the files that hold an agent's credentials: its program is the same everywhere.
const MAY_READ_ENVIRONMENT = ['cli/context.ts', 'sdk/credentials-file.ts']
// It keeps what it joins, which AbortSignal.any does not.
const JOINS_SIGNALS = 'core/any-signal.ts'
const COMFORTABLE_LINES = 250
const MAX_LINES = 400

const tree = readSourceTree()
const written = ['src', 'test', 'scripts', 'bin'].flatMap(listFiles).filter((file) => /\.[jt]s$/.test(file))

describe('files', () => {
  test('none is named after a kind instead of a concept', () => {
    const drawers = written
      .filter((file) => !NAMED_BY_A_COMMAND.includes(file))
      .filter((file) => file.split(/[/.]/).some((part) => FORBIDDEN_NAMES.includes(part)))
    expect(drawers).toEqual([])
  })

  test(`none of src is longer than ${MAX_LINES} lines`, async ({ annotate }) => {
    for (const file of tree.filter(({ lines }) => lines > COMFORTABLE_LINES)) {
      await annotate(`src/${file.name} has ${file.lines} lines: is it one concept?`, 'warning')
    }
    expect(tree.filter(({ lines }) => lines > MAX_LINES).map(({ name }) => name)).toEqual([])
  })

  test('an index.ts is a list of named exports, and stands only at a public entry', () => {
    const { exports: entries } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'))
    const entryFiles = JSON.stringify(entries)
    const indexes = tree.filter(({ name }) => /(?:^|\/)index\.ts$/.test(name))
    const barrels = indexes.filter(({ name, syntax }) => {
      return (
        !entryFiles.includes(`/${name.replace(/\.ts$/, '.js')}`) || !syntax.statements.every(isNamedExport)
      )
    })
    expect(barrels.map(({ name }) => name)).toEqual([])
  })

  test('nothing unfinished is left behind, and no test is singled out or left out', () => {
    const markers = /\b(?:TO[D]O|FI[X]ME|XX[X]|HAC[K])\b|\b(?:describe|test|it)\.(?:only|skip|todo|fails)\b/
    const found = written.filter((file) => markers.test(readFileSync(path.join(ROOT, file), 'utf8')))
    expect(found).toEqual([])
  })
})

describe('code', () => {
  test('has no habit that the design rules out', () => {
    expect(tree.flatMap(findHabits)).toEqual([])
  })

  test.each([
    { what: 'a default export', text: 'export default function f() {}' },
    { what: 'a default export of a value', text: 'export default 1' },
    { what: 'a default export by name', text: 'const a = 1\nexport { a as default }' },
    { what: 'an environment variable', text: "const a = process.env['HOME']" },
    { what: 'an environment variable by destructuring', text: 'const { env } = process' },
    { what: 'the environment from its module', text: "import { env } from 'node:process'" },
    { what: 'an exit', text: 'process.exit(1)' },
    { what: 'signals that nobody keeps', text: 'AbortSignal.any([a, b])' },
    { what: 'an enum', text: 'enum A { B }' },
    { what: 'a namespace', text: 'namespace A { export const b = 1 }' },
    { what: 'a silenced compiler', text: '// @ts-ignore\nconst a: string = 1' },
    { what: 'a class that extends a class of ours', text: 'class A extends Base {}' },
  ])('is found out: $what', ({ text }) => {
    expect(findHabits(parseSource('sdk/client.ts', text))).toHaveLength(1)
  })

  test.each(MAY_READ_ENVIRONMENT)('may read the environment in %s', (file) => {
    expect(findHabits(parseSource(file, 'const a = process.env'))).toEqual([])
  })
})

function findHabits(file: SourceFile): string[] {
  const found: string[] = []
  if (/@ts-(?:ignore|nocheck)/.test(file.text)) found.push('silences the compiler')
  visitNodes(file.syntax, (node) => {
    const habit = nameHabit(node, file)
    if (habit !== undefined) found.push(habit)
  })
  return found.map((habit) => `${file.name} ${habit}`)
}

function nameHabit(node: ts.Node, file: SourceFile): string | undefined {
  if (ts.isExportAssignment(node)) return 'has a default export'
  if (node.kind === ts.SyntaxKind.DefaultKeyword && ts.isFunctionLike(node.parent))
    return 'has a default export'
  if (node.kind === ts.SyntaxKind.DefaultKeyword && ts.isClassLike(node.parent)) return 'has a default export'
  if (ts.isExportSpecifier(node) && node.name.text === 'default') return 'has a default export'
  if (ts.isEnumDeclaration(node)) return 'has an enum'
  if (ts.isModuleDeclaration(node)) return 'has a namespace'
  if (ts.isHeritageClause(node) && isInheritance(node)) return 'inherits from a class'
  if (ts.isPropertyAccessExpression(node) && node.getText() === 'process.exit') return 'ends the process'
  if (ts.isPropertyAccessExpression(node) && node.getText() === 'AbortSignal.any') {
    return file.name === JOINS_SIGNALS ? undefined : 'joins signals without anySignal'
  }
  if (isEnvironment(node) && !MAY_READ_ENVIRONMENT.includes(file.name)) return 'reads the environment'
  return undefined
}

function isInheritance(clause: ts.HeritageClause): boolean {
  if (clause.token !== ts.SyntaxKind.ExtendsKeyword || !ts.isClassLike(clause.parent)) return false
  // Error is what there is to extend; the others are classes that a package asks us to extend.
  return !clause.types.every(({ expression }) => {
    return /^(?:Error|TypeError|Base(?:CallbackHandler|ChatModel)|StructuredTool|SimpleChatModel)$/.test(
      expression.getText(),
    )
  })
}

function isEnvironment(node: ts.Node): boolean {
  if (ts.isPropertyAccessExpression(node)) return node.getText() === 'process.env'
  if (ts.isImportDeclaration(node)) return /['"](?:node:)?process['"]/.test(node.moduleSpecifier.getText())
  return ts.isVariableDeclaration(node) && node.initializer?.getText() === 'process'
}

function isNamedExport(statement: ts.Statement): boolean {
  return (
    ts.isExportDeclaration(statement) &&
    statement.exportClause !== undefined &&
    ts.isNamedExports(statement.exportClause)
  )
}
