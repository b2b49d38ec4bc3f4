// Writes the JSON Schema of what each command prints with --json, which is the type `Output` that its file exports,
// and that of what standard error says when one fails.
//
// The types are taken as the compiler has worked them out, because most of them are computed from others; what the
// generators of the registry make of those lacks members, or names them after files.
//
// On its own: node scripts/schemas.js DIRECTORY

import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
// As the compiler writes them, on every system.
const SOURCES = path.join(ROOT, 'src/').replaceAll(path.sep, '/')
const COMMANDS = path.join(SOURCES, 'cli/commands')
const ERROR = path.join(SOURCES, 'cli/failure.ts')

/** What stands for any JSON at all, and needs no words. */
const ANY = { Json: {}, JsonObject: { type: 'object' } }

/** Writes the schemas into a directory and returns what was written, relative to the working directory. */
export function writeSchemas(directory) {
  const files = new Map([...listCommandFiles(), [ERROR, 'authsec.error/1']])
  const program = openProgram([...files.keys()])
  mkdirSync(directory, { recursive: true })
  return [...files].flatMap(([file, name]) => {
    const output = program.getSourceFile(file).statements.find(isOutput)
    if (output === undefined) return []
    const schema = describeOutput(program.getTypeChecker(), output, name)
    const written = path.join(directory, `${name.replace('/', '.')}.json`)
    writeFileSync(written, `${JSON.stringify(schema, undefined, 2)}\n`)
    return path.relative('', written)
  })
}

/** The file of each command, with the name of the schema of what it prints. */
function listCommandFiles() {
  return readdirSync(COMMANDS, { recursive: true })
    .filter((file) => file.endsWith('.ts'))
    .sort()
    .map((file) => [
      path.join(COMMANDS, file),
      `authsec.${file.slice(0, -'.ts'.length).replaceAll(path.sep, '.')}/1`,
    ])
}

function openProgram(files) {
  const { config } = ts.readConfigFile(path.join(ROOT, 'tsconfig.json'), ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [] }, ts.sys, ROOT)
  return ts.createProgram(files, options)
}

function isOutput(node) {
  return (ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) && node.name.text === 'Output'
}

function describeOutput(checker, output, name) {
  const defined = {}
  const named = new Map()
  const schema = describe(checker.getTypeAtLocation(output), [])
  const description = documentationOf(checker.getSymbolAtLocation(output.name))
  if (description === undefined) throw new Error(`the Output of ${name} has no documentation`)
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: name,
    ...schema,
    description,
    ...(Object.keys(defined).length > 0 && { $defs: defined }),
  }

  /** `around` are the types that this one is part of. */
  function describe(type, around) {
    const symbol = type.aliasSymbol ?? type.symbol
    if (Object.hasOwn(ANY, symbol?.name ?? '')) return ANY[symbol.name]
    // A type that holds itself is written once, under its name; a list of it has none.
    if (around.includes(type) && !checker.isArrayType(type)) {
      if ((named.get(symbol.name) ?? type) !== type || symbol.name.startsWith('__'))
        throw new Error(
          `the Output of ${name} holds two types of one name that hold themselves: ${symbol.name}`,
        )
      named.set(symbol.name, type)
      defined[symbol.name] ??= {}
      return { $ref: `#/$defs/${symbol.name}` }
    }
    const schema = describeKind(type, [...around, type])
    if (!Object.hasOwn(defined, symbol?.name ?? ''))
      return { ...schema, description: documentationOf(symbol) }
    defined[symbol.name] = schema
    return { $ref: `#/$defs/${symbol.name}` }
  }

  function describeKind(type, around) {
    if (type.flags & ts.TypeFlags.Null) return { type: 'null' }
    if (type.flags & ts.TypeFlags.BooleanLiteral) return { const: checker.typeToString(type) === 'true' }
    if (type.isStringLiteral() || type.isNumberLiteral()) return { const: type.value }
    if (type.flags & ts.TypeFlags.StringLike) return { type: 'string' }
    if (type.flags & ts.TypeFlags.NumberLike) return { type: 'number' }
    if (type.isUnion()) return describeUnion(type, around)
    if (checker.isArrayType(type) || checker.isTupleType(type)) {
      return { type: 'array', items: describe(checker.getIndexTypeOfType(type, ts.IndexKind.Number), around) }
    }
    if (type.flags & ts.TypeFlags.Object || type.isIntersection()) return describeObject(type, around)
    throw new Error(`the Output of ${name} holds ${checker.typeToString(type)}`)
  }

  /** What may be undefined is absent; `null` stands last, and constants stand together. */
  function describeUnion({ types }, around) {
    const kinds = types
      .filter(({ flags }) => !(flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Null)))
      .map((type) => describe(type, around))
    const constants = kinds.filter(isConstant).map((schema) => schema.const)
    const all = [
      ...kinds.filter((schema) => !isConstant(schema)),
      ...(constants.length > 0 ? [describeConstants(constants)] : []),
      ...(types.some(({ flags }) => flags & ts.TypeFlags.Null) ? [{ type: 'null' }] : []),
    ]
    if (all.length === 1) return all[0]
    return all.every(isPlain) ? { type: all.map(({ type }) => type) } : { anyOf: all }
  }

  function describeObject(type, around) {
    const members = checker
      .getPropertiesOfType(type)
      .map((member) => [member, checker.getTypeOfSymbol(member)])
    if (checker.getSignaturesOfType(type, ts.SignatureKind.Call).length > 0)
      throw new Error(`the Output of ${name} holds a function`)
    const properties = members.map(([member, memberType]) => {
      const schema = describe(memberType, around)
      return [member.name, { ...schema, description: documentationOf(member) ?? schema.description }]
    })
    const required = members
      .filter(([, memberType]) => !canBeUndefined(memberType))
      .map(([member]) => member.name)
    const others = checker.getIndexInfosOfType(type).find((info) => !isNumbered(info))
    return {
      type: 'object',
      ...(properties.length > 0 && { properties: Object.fromEntries(properties) }),
      ...(required.length > 0 && { required }),
      // Where nothing is said of other members there are none today, but a later version may print more.
      ...(others !== undefined && { additionalProperties: describe(others.type, around) }),
    }
  }

  function documentationOf(symbol) {
    const isOurs = symbol?.declarations?.every((node) => node.getSourceFile().fileName.startsWith(SOURCES))
    if (!isOurs) return undefined
    return ts.displayPartsToString(symbol.getDocumentationComment(checker)).replaceAll('\n', ' ') || undefined
  }
}

function isNumbered({ keyType }) {
  return (keyType.flags & ts.TypeFlags.Number) !== 0
}

function canBeUndefined(type) {
  const types = type.isUnion() ? type.types : [type]
  return types.some(({ flags }) => flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Any))
}

function isConstant(schema) {
  return 'const' in schema
}

function describeConstants(constants) {
  if (constants.length === 1) return { const: constants[0] }
  return constants.includes(true) && constants.includes(false) ? { type: 'boolean' } : { enum: constants }
}

/** Whether a schema says a type and nothing else. */
function isPlain({ type, ...others }) {
  return type !== undefined && Object.values(others).every((value) => value === undefined)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeSchemas(process.argv[2] ?? 'dist/schemas')
