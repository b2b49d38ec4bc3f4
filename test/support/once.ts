/** What is made once in a process, by whoever needs it first, and kept for the others. */
export function once<T>(make: () => T): () => T {
  let made: T | undefined
  return () => {
    made ??= make()
    return made
  }
}
