const duties = new Set<() => unknown>()

/** Has something done after each test: where files share a process, a hook of what they import is one of the first alone. */
export function doAfterEach(duty: () => unknown): void {
  duties.add(duty)
}

/** Does them all, whichever fail: what one leaves undone would be found in the tests that come next. */
export async function doDuties(): Promise<void> {
  const failures: unknown[] = []
  for (const duty of duties) {
    try {
      await duty()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 1) throw new AggregateError(failures, failures.map(String).join('; '))
  if (failures.length === 1) throw failures[0]
}
