import { readFileSync } from 'node:fs'
import path from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'
import { SHARING } from '../../vitest.config.js'
import { listFiles, parseSource, ROOT, resolveRelative, type SourceFile } from './source-tree.js'

const HOOK = /\b(?:before|after)(?:Each|All)\(/
// A module that one file replaces is replaced for the next as well.
const REPLACES = /\bvi\.(?:mock|doMock)\(/

const shared = listFiles('test')
  .filter((file) => SHARING.some((pattern) => matches(file, pattern)))
  .map(read)
const reached = findReached(shared)

test('every part of the list has files', () => {
  expect(SHARING.filter((pattern) => !shared.some(({ name }) => matches(name, pattern)))).toEqual([])
  expect(reached.length).toBeGreaterThan(0)
})

test('no file that shares a process replaces a module', () => {
  const found = [...shared, ...reached].filter(({ text }) => REPLACES.test(text))
  expect(found.map(({ name }) => name)).toEqual([])
})

test('what files that share a process import has no hook and no variable', () => {
  const found = reached.filter(({ text, syntax }) => HOOK.test(text) || syntax.statements.some(isVariable))
  expect(found.map(({ name }) => name)).toEqual([])
})

function matches(file: string, pattern: string): boolean {
  const [start = '', end = ''] = pattern.split('**/*')
  return file.startsWith(start) && file.endsWith(end)
}

/** The files of the tests that these import, and what those import. */
function findReached(files: readonly SourceFile[]): SourceFile[] {
  const found = new Map<string, SourceFile>()
  const open = [...files]
  for (const file of open) {
    for (const { specifier, typeOnly } of file.imports) {
      const name = typeOnly ? undefined : resolveRelative(file, specifier)
      if (name === undefined || !name.startsWith('test/') || found.has(name)) continue
      const next = read(name)
      found.set(name, next)
      open.push(next)
    }
  }
  return [...found.values()]
}

function read(name: string): SourceFile {
  return parseSource(name, readFileSync(path.join(ROOT, name), 'utf8'))
}

function isVariable(statement: ts.Statement): boolean {
  return ts.isVariableStatement(statement) && (statement.declarationList.flags & ts.NodeFlags.Const) === 0
}
