import { existsSync } from 'node:fs'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { readOutputSchema } from '../../src/cli/output-schema.js'

const ajv = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true })
const validators = new Map<string, ValidateFunction>()

interface Printed {
  stdout: string
  stderr: string
}

/** Throws unless what a command printed with `--json` is what its schema says, and nothing beside it. */
export function assertOutput(args: readonly string[], { stdout, stderr }: Printed): void {
  const name = findSchema(args)
  if (name !== undefined) for (const value of readValues(stdout)) assertValue(name, value, args)
  const failure = stderr.split('\n').find((line) => line.startsWith('{"error":'))
  if (failure !== undefined) assertValue('authsec.error/1', JSON.parse(failure), args)
}

function assertValue(name: string, value: unknown, args: readonly string[]): void {
  const validate = openValidator(name)
  if (validate(value)) return
  const errors = ajv.errorsText(validate.errors, { dataVar: 'output' })
  throw new Error(`authsec ${args.join(' ')}: ${errors}, says ${name}: ${JSON.stringify(value)}`)
}

/** The schema of what these arguments print, where that is all of it and no help. */
function findSchema(args: readonly string[]): string | undefined {
  const flags = args.includes('--') ? args.slice(0, args.indexOf('--')) : args
  if (!flags.includes('--json') || flags.some((flag) => OTHER_OUTPUT.test(flag))) return undefined
  const words = listWords(flags)
  const names = words.map((_, index) => `authsec.${words.slice(0, words.length - index).join('.')}/1`)
  return names.find((name) => existsSync(new URL(`${name.replace('/', '.')}.json`, SCHEMAS)))
}

/** Those that name the command, and what follows them up to the next flag; flags may stand before them. */
function listWords(flags: readonly string[]): readonly string[] {
  const start = flags.findIndex((flag) => !flag.startsWith('-'))
  if (start < 0) return []
  const end = flags.findIndex((flag, index) => index > start && flag.startsWith('-'))
  return flags.slice(start, end < 0 ? undefined : end)
}

const OTHER_OUTPUT = /^(?:--(?:fields|jq|report|schema|help)\b|-h$)/
const SCHEMAS = new URL('../../dist/schemas/', import.meta.url)

/** One value over several lines, or one in each line. */
function readValues(stdout: string): unknown[] {
  try {
    return [JSON.parse(stdout)]
  } catch {
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
  }
}

function openValidator(name: string): ValidateFunction {
  const known = validators.get(name) ?? ajv.compile(close(readOutputSchema(name)) as object)
  validators.set(name, known)
  return known
}

// A reader has to let be what a later version adds; this version adds nothing that its schema does not say.
function close(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(close)
  if (typeof schema !== 'object' || schema === null) return schema
  const members = Object.entries(schema).map(([name, value]) => [name, close(value)])
  const isClosed = 'properties' in schema && !('additionalProperties' in schema) && 'type' in schema
  return { ...Object.fromEntries(members), ...(isClosed && { additionalProperties: false }) }
}
