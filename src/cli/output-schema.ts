import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { JsonObject } from '../core/strict-json.js'

/**
 * The JSON Schema of what a command prints, made by `npm run build`; the name has to be one that `authsec commands`
 * says.
 */
export function readOutputSchema(name: string): JsonObject {
  const file = join(import.meta.dirname, '../../dist/schemas', `${name.replace('/', '.')}.json`)
  return JSON.parse(readFileSync(file, 'utf8'))
}
