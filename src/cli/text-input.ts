import { parseCallArguments } from '../core/call-binding.js'
import type { Io } from './io.js'
import { MAX_TEXT_BYTES, readTextFile } from './text-file.js'

// The arguments of a call are 16 KiB at most; what is longer is refused by name.
const MAX_ARGUMENT_BYTES = 64 * 1024

/** Reads what is declared in a file, or on standard input for `-`; throws `not_found` and `usage`. */
export function readDeclaration(io: Io, source: string): Promise<string> {
  return readText(io, source, MAX_TEXT_BYTES)
}

/**
 * Reads the arguments of a call as JSON text. They are passed on as they stand, so that what the person wrote is bound,
 * not what we made of it. Throws `not_found`, `usage` and `invalid_request`.
 */
export async function readArguments(io: Io, source: string): Promise<string> {
  const text = await readText(io, source, MAX_ARGUMENT_BYTES)
  parseCallArguments(text)
  return text
}

async function readText(io: Io, source: string, maxBytes: number): Promise<string> {
  return source === '-' ? await io.readInput(maxBytes, 'usage') : await readTextFile(source, { maxBytes })
}
