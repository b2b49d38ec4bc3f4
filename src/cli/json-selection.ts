import { AuthsecError } from '../core/errors.js'
import { quote, toPrintable } from '../core/printable.js'
import { isJsonObject, type Json } from '../core/strict-json.js'
import { readPath } from './json-path.js'

/** Makes what is printed out of what a command has to say: `--fields` first, then `--jq`. */
export type JsonSelection = (value: Json) => readonly Json[]

export interface SelectionFlags {
  /** Names of members, `a.b` for one inside another. */
  fields?: readonly string[] | undefined
  /** A filter in the language of jq. */
  jq?: string | undefined
}

/**
 * Reads both flags; undefined when neither is given. Throws `usage` for a filter that cannot be read; what is made
 * throws `usage` for a value that the filter cannot take, and calls `onMissing` for fields that nothing has: once, for
 * the lines of a stream are of several kinds.
 */
export async function readSelection(
  { fields, jq }: SelectionFlags,
  onMissing: (text: string) => void,
): Promise<JsonSelection | undefined> {
  if (fields === undefined && jq === undefined) return undefined
  const filter = jq === undefined ? undefined : await compileFilter(jq)
  let isFirst = true
  return (value) => {
    const chosen = fields === undefined ? value : pickFields(value, fields, isFirst ? onMissing : undefined)
    isFirst = false
    return filter === undefined ? [chosen] : filter(chosen)
  }
}

function pickFields(
  value: Json,
  fields: readonly string[],
  onMissing: ((text: string) => void) | undefined,
): Json {
  const objects = (Array.isArray(value) ? value : [value]).filter(isJsonObject)
  const missing = fields.filter((field) => objects.every((object) => readPath(object, field) === undefined))
  if (missing.length > 0 && objects.length > 0) {
    const known = [...new Set(objects.flatMap((object) => Object.keys(object)))].map(toPrintable)
    onMissing?.(`no field is named ${missing.join(', ')}; there are ${known.join(', ')}`)
  }
  const pick = (item: Json) =>
    isJsonObject(item)
      ? Object.fromEntries(fields.map((field) => [field, readPath(item, field) ?? null]))
      : item
  return Array.isArray(value) ? value.map(pick) : pick(value)
}

/** What jq itself says of a program that it cannot compile. */
const COMPILE_ERROR = 3

// jq itself, compiled to WebAssembly: half a megabyte that only who asks for it pays for.
async function compileFilter(expression: string): Promise<JsonSelection> {
  const { loadJq } = await import('jq-wasm')
  const jq = await loadJq()
  const run = (input: string) => jq.raw(input, expression, ['-c'])
  const trial = run('null')
  if (trial.exitCode === COMPILE_ERROR) throw refuse('is not a jq filter', trial.stderr)
  return (value) => {
    const { stdout, stderr, exitCode } = run(JSON.stringify(value))
    if (exitCode !== 0) throw refuse('cannot be applied', stderr)
    return stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
  }

  function refuse(problem: string, said: string): AuthsecError {
    const [line = ''] = said.replace(/^jq: error(?: \(at [^)]*\))?: /, '').split('\n')
    const reason = line.replace(/ at <top-level>.*/, '')
    return new AuthsecError(
      'usage',
      `--jq ${quote(expression)} ${problem}: ${toPrintable(reason.slice(0, 200))}`,
      {
        hint: 'See authsec help formatting.',
      },
    )
  }
}
