const duties = new Set<() => unknown>()

/** Has something done after each test: where files share a process, a hook of what they import is one of the first alone. */
export function doAfterEach(duty: () => unknown): void {
  duties.add(duty)
}

export async function doDuties(): Promise<void> {
  for (const duty of duties) await duty()
}
