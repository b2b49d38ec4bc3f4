const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i

/** Whether a text has the form of a UUID, in whatever case. */
export function isUuid(text: string): boolean {
  return UUID.test(text)
}

/** A UUID in lower case, as ids are kept, from whatever case it was written in; undefined for what is none. */
export function readUuid(text: string): string | undefined {
  return isUuid(text) ? text.toLowerCase() : undefined
}
