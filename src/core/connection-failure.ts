const CAUSES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection lost',
  UND_ERR_SOCKET: 'connection lost',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'no such host',
}

/** Why no connection came about, in words. What fetch fails with says nothing; its cause does, on Node by a code. */
export function explainNoConnection(error: unknown): string {
  const code = findCode(error instanceof Error ? error.cause : undefined) ?? findCode(error) ?? ''
  return CAUSES[code] ?? (/^[A-Z][A-Z\d_]*$/.test(code) ? code : 'no connection')
}

function findCode(value: unknown): string | undefined {
  const code = typeof value === 'object' && value !== null && 'code' in value ? value.code : undefined
  return typeof code === 'string' ? code : undefined
}
