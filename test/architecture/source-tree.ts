import { readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

/** The root of the repository. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface SourceFile {
  /** With forward slashes, relative to `src`: `core/jwt.ts`. */
  name: string
  text: string
  lines: number
  syntax: ts.SourceFile
  imports: readonly Import[]
}

export interface Import {
  /** As written, such as `../core/jwt.js` or `jose`. */
  specifier: string
  /** Gone after compilation. */
  typeOnly: boolean
  /** Loaded by `import()` when it is needed. */
  lazy: boolean
}

/** Reads and parses every TypeScript file under `src`. */
export function readSourceTree(): readonly SourceFile[] {
  return listFiles('src')
    .filter((file) => file.endsWith('.ts'))
    .map((file) => parseSource(file.slice('src/'.length), readFileSync(path.join(ROOT, file), 'utf8')))
}

/** Parses one file; `name` is relative to `src`. */
export function parseSource(name: string, text: string): SourceFile {
  const syntax = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true)
  return { name, text, lines: text.split('\n').length - 1, syntax, imports: findImports(syntax) }
}

/** Every file under a directory of the repository, relative to its root; none when there is no such directory. */
export function listFiles(directory: string): string[] {
  try {
    return readdirSync(path.join(ROOT, directory), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(ROOT, path.join(entry.parentPath, entry.name)).replaceAll(path.sep, '/'))
      .filter((file) => !file.includes('node_modules/'))
      .sort()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** The file under `src` that a relative specifier means, relative to `src`; undefined for a package. */
export function resolveRelative(from: SourceFile, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined
  return path.posix.join(path.posix.dirname(from.name), specifier).replace(/\.js$/, '.ts')
}

/** The package that a specifier names; undefined for a file and for Node's own modules. */
export function packageOf(specifier: string): string | undefined {
  if (specifier.startsWith('.') || isBuiltin(specifier)) return undefined
  return /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0]
}

/** Whether a specifier names a module of Node itself. */
export function isBuiltin(specifier: string): boolean {
  return specifier.startsWith('node:') || builtinModules.includes(specifier)
}

/** Visits every node of a file. */
export function visitNodes(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node)
  ts.forEachChild(node, (child) => visitNodes(child, visit))
}

function findImports(syntax: ts.SourceFile): Import[] {
  const imports: Import[] = []
  visitNodes(syntax, (node) => {
    if (ts.isImportDeclaration(node)) {
      add(node.moduleSpecifier, { typeOnly: isTypeOnly(node.importClause), lazy: false })
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
      add(node.moduleSpecifier, { typeOnly: node.isTypeOnly, lazy: false })
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node.argument.literal, { typeOnly: true, lazy: false })
    } else if (ts.isCallExpression(node) && isLoadCall(node.expression)) {
      add(node.arguments[0], { typeOnly: false, lazy: true })
    }
  })
  return imports

  function add(specifier: ts.Node | undefined, how: Omit<Import, 'specifier'>): void {
    // A specifier that is computed could name anything: no rule could be checked.
    if (specifier === undefined || !ts.isStringLiteralLike(specifier)) {
      throw new Error(`${syntax.fileName} loads a module by a computed name`)
    }
    imports.push({ specifier: specifier.text, ...how })
  }
}

function isTypeOnly(clause: ts.ImportClause | undefined): boolean {
  return clause?.phaseModifier === ts.SyntaxKind.TypeKeyword
}

function isLoadCall(expression: ts.Expression): boolean {
  if (expression.kind === ts.SyntaxKind.ImportKeyword) return true
  return ts.isIdentifier(expression) && expression.text === 'require'
}
