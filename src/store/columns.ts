/** The setting that counts every change of authority. */
export const REVISION_SETTING = 'authority_revision'
/** The setting that counts every change of keys. */
export const KEY_REVISION = 'key_revision'

/** Reads a list of texts from its JSON column. */
export function readList(json: string): string[] {
  return JSON.parse(json)
}

/** A moment in milliseconds as a column keeps it, which has no fraction; a NumericDate may (RFC 7519 §2). */
export function roundUp(moment: number): number {
  return Math.ceil(moment)
}

/** Takes the place of SQL's null where a field may be absent. */
export function orUndefined<T>(value: T | null): T | undefined {
  return value ?? undefined
}
