import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  type Import,
  listFiles,
  packageOf,
  parseSource,
  ROOT,
  readSourceTree,
  resolveRelative,
  type SourceFile,
} from './source-tree.js'

interface Owner {
  /** The files that may import it, relative to `src`; a trailing slash means everything below. */
  files: readonly string[]
  /** Those that may import its types only. */
  types?: readonly string[]
}

/** The one place where each third-party package is known, so that it can be replaced there. */
const OWNERS: Readonly<Record<string, Owner>> = {
  '@commander-js/extra-typings': { files: ['cli/program.ts', 'cli/run.ts'], types: ['cli/'] },
  commander: { files: ['cli/program.ts', 'cli/run.ts'], types: ['cli/'] },
  inquirer: { files: ['cli/prompts.ts'] },
  chalk: { files: ['cli/io.ts'] },
  'cli-table3': { files: ['cli/io.ts'] },
  conf: { files: ['cli/config.ts'] },
  'cross-spawn': { files: ['cli/child-process.ts'] },
  'jq-wasm': { files: ['cli/json-selection.ts'] },
  '@napi-rs/keyring': { files: ['cli/keychain.ts'] },
  hono: { files: ['server/app.ts'], types: ['middleware/hono.ts'] },
  '@hono/node-server': { files: ['server/socket.ts'] },
  kysely: { files: ['store/'] },
  libsql: { files: ['store/sqlite.ts'] },
  pg: { files: ['store/postgres.ts'] },
  jose: { files: ['authority/'] },
  '@langchain/core': { files: ['langchain/', 'demo/'] },
  langchain: { files: ['langchain/', 'demo/'] },
}

/** What may be loaded, sooner or later, by whoever imports an entry. */
const REACHABLE: Readonly<Record<string, readonly string[]>> = {
  '.': [],
  './verify': [],
  './express': [],
  './fastify': [],
  './hono': [],
  './web': [],
  './langchain': ['@langchain/core'],
  './server': ['@hono/node-server', 'hono', 'jose', 'kysely', 'libsql', 'pg'],
  './testing': ['hono', 'jose', 'kysely', 'libsql', 'pg'],
}

/** What the command does not hold itself; `langchain` is the peer of the demo. */
const OF_COMMAND = ['@napi-rs/keyring', 'jq-wasm', '@langchain/core', 'langchain']

const tree = readSourceTree()
const { exports: entries, ...manifest } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'))
const entryNames = Object.keys(entries).filter((entry) => entry !== './package.json')

describe('packages', () => {
  test('each is imported by its owner only', () => {
    expect(tree.flatMap((file) => findStrangers(file))).toEqual([])
  })

  test('each is installed with this one that something of it loads, and no other', () => {
    const { dependencies, optionalDependencies, peerDependencies } = manifest
    const declared = Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })
    const loaded = new Set([...OF_COMMAND, ...Object.values(REACHABLE).flat()])
    expect(declared.sort()).toEqual([...loaded].sort())
  })

  test('each other one is there for whoever builds', () => {
    const { dependencies, optionalDependencies, peerDependencies, devDependencies } = manifest
    const declared = { ...dependencies, ...optionalDependencies, ...peerDependencies, ...devDependencies }
    expect(Object.keys(OWNERS).filter((name) => !Object.hasOwn(declared, name))).toEqual([])
  })

  test('none is entered through its back door', () => {
    const internal = tree.flatMap((file) =>
      file.imports
        .filter(({ specifier }) => packageOf(specifier) !== undefined)
        .filter(({ specifier }) => /\/(?:dist|lib|src|build|internal)\//.test(specifier))
        .map(({ specifier }) => `${file.name} imports ${specifier}`),
    )
    expect(internal).toEqual([])
  })
})

describe('entries', () => {
  test('the list here is the list in package.json', () => {
    expect(entryNames.sort()).toEqual(Object.keys(REACHABLE).sort())
  })

  test.each(entryNames)('%s is a file of src', (entry) => {
    expect(listFiles('src')).toContain(`src/${sourceOf(entry)}`)
    expect(entries[entry].types).toBe(entries[entry].default.replace(/\.js$/, '.d.ts'))
  })

  test.each(Object.entries(REACHABLE))('%s reaches only %j', (entry, allowed) => {
    const reached = findReachablePackages(sourceOf(entry))
    expect(reached.filter((name) => !allowed.includes(name))).toEqual([])
  })
})

describe('findStrangers', () => {
  test.each([
    { name: 'sdk/client.ts', text: "import { jwtVerify } from 'jose'" },
    { name: 'server/token.ts', text: "import { Hono } from 'hono'" },
    { name: 'authority/keys.ts', text: "import 'libsql'" },
    { name: 'cli/commands/demo.ts', text: "import { Command } from 'commander'" },
    { name: 'cli/commands/demo.ts', text: "const chalk = await import('chalk')" },
    { name: 'middleware/express.ts', text: "import express from 'express'" },
    { name: 'middleware/hono.ts', text: "import { Hono } from 'hono'" },
    { name: 'core/jwt.ts', text: "import leftPad from 'left-pad'" },
    { name: 'cli/io.ts', text: "import { input } from '@inquirer/prompts'" },
    { name: 'store/sqlite.ts', text: "import { Pool } from 'pg'" },
  ])('finds $text in $name', ({ name, text }) => {
    expect(findStrangers(parseSource(name, text))).toHaveLength(1)
  })

  test.each([
    { name: 'authority/grants/exchange.ts', text: "import { jwtVerify } from 'jose'" },
    { name: 'cli/commands/demo.ts', text: "import type { Command } from '@commander-js/extra-typings'" },
    { name: 'server/app.ts', text: "import { cors } from 'hono/cors'" },
    { name: 'sdk/client.ts', text: "import { createHash } from 'node:crypto'" },
  ])('allows $text in $name', ({ name, text }) => {
    expect(findStrangers(parseSource(name, text))).toEqual([])
  })
})

function findStrangers(file: SourceFile): string[] {
  return file.imports
    .filter((found) => {
      const name = namePackage(found)
      if (name === undefined) return false
      const owner = OWNERS[name]
      if (owner === undefined) return true
      const places = found.typeOnly ? [...owner.files, ...(owner.types ?? [])] : owner.files
      return !places.some(
        (place) => file.name === place || (place.endsWith('/') && file.name.startsWith(place)),
      )
    })
    .map(({ specifier }) => `${file.name} imports ${specifier}`)
}

function findReachablePackages(start: string): string[] {
  const packages = new Set<string>()
  const visited = new Set<string>()
  const pending = [start]
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    const file = tree.find((candidate) => candidate.name === name)
    if (file === undefined || visited.has(name)) continue
    visited.add(name)
    for (const found of file.imports.filter(({ typeOnly }) => !typeOnly)) {
      const target = resolveRelative(file, found.specifier)
      if (target !== undefined) pending.push(target)
      const reached = namePackage(found)
      if (reached !== undefined) packages.add(reached)
    }
  }
  return [...packages].sort()
}

function namePackage({ specifier }: Import): string | undefined {
  return packageOf(specifier)
}

function sourceOf(entry: string): string {
  return entries[entry].default.replace(/^\.\/dist\//, '').replace(/\.js$/, '.ts')
}
