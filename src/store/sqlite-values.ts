/** What SQLite can hold. */
export type Bound = number | bigint | string | Uint8Array | null

/**
 * Values ready to be bound; throws a `TypeError` for one that cannot be stored as it is. libsql 0.5 ends the process on
 * some values, turns others into NULL and cuts text at U+0000 without a word, so nothing reaches it unchecked; always
 * an array, because a bare buffer is one of the values it does not survive.
 */
export function bind(parameters: readonly unknown[]): Bound[] {
  return parameters.map((value) => {
    if (typeof value === 'boolean') return value ? 1 : 0
    if (value === null || typeof value === 'bigint') return value
    if (typeof value === 'string' && value.isWellFormed() && !value.includes('\0')) return value
    if (typeof value === 'number' && Number.isFinite(value)) return value
    if (value instanceof Uint8Array) return value
    throw new TypeError(`this ${typeof value} cannot be stored`)
  })
}

/** Makes a row of libsql's the row that was asked for. */
export function readBlobs(row: Record<string, unknown>): void {
  for (const name in row) {
    const value = row[name]
    if (value instanceof ArrayBuffer) row[name] = new Uint8Array(value)
  }
  delete row['_metadata']
}
