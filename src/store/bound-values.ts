/** What may reach an engine. */
export type Bound = number | bigint | string | Uint8Array | null

/**
 * Checks what is about to be stored or asked for: the drivers turn some values into NULL or into other values, cut
 * text at U+0000 or even end the process (`libsql` 0.5), all without a word; always an array, because a bare buffer is
 * one of the values that `libsql` does not survive. Throws a `TypeError` for whatever would not come back the same.
 */
export function bindValues(parameters: readonly unknown[]): Bound[] {
  return parameters.map((value) => {
    if (typeof value === 'boolean') return value ? 1 : 0
    if (value === null || typeof value === 'bigint') return value
    if (typeof value === 'string' && value.isWellFormed() && !value.includes('\0')) return value
    if (typeof value === 'number' && Number.isFinite(value)) return value
    if (value instanceof Uint8Array) return value
    throw new TypeError(`this ${typeof value} cannot be stored`)
  })
}
