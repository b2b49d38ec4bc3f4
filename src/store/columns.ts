/** The setting that counts every change of authority. */
export const REVISION_SETTING = 'authority_revision'

/** Reads a list of texts from its JSON column. */
export function readList(json: string): string[] {
  return JSON.parse(json)
}

/** Takes the place of SQL's null where a field may be absent. */
export function orUndefined<T>(value: T | null): T | undefined {
  return value ?? undefined
}
