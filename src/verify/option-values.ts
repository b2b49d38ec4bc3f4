/** A text with something in it; throws a `TypeError` that names the option. */
export function readText(name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw new TypeError(`the option "${name}" is not a text`)
  return value
}

/** One text or several. */
export function readList(name: string, value: unknown): readonly string[] {
  const list = Array.isArray(value) ? value : [value]
  if (list.length === 0) throw new TypeError(`the option "${name}" is empty`)
  return list.map((item) => readText(name, item))
}

/** A whole number within bounds, or the default. */
export function readNumber(
  name: string,
  value: unknown,
  { least, most, usual }: { least: number; most: number; usual: number },
): number {
  if (value === undefined) return usual
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
    throw new TypeError(`the option "${name}" is not a whole number from ${least} to ${most}`)
  }
  return value as number
}

/** A function, or the default. */
export function readFunction<T>(name: string, value: T | undefined, fallback: T): T {
  if (value !== undefined && typeof value !== 'function') {
    throw new TypeError(`the option "${name}" is not a function`)
  }
  return value ?? fallback
}
