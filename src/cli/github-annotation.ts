/** How loud an annotation of GitHub Actions is. */
export type AnnotationLevel = 'error' | 'warning' | 'notice'

/** A workflow command that GitHub Actions shows as an annotation; the texts may be anything. */
export function formatAnnotation(
  level: AnnotationLevel,
  message: string,
  properties: Readonly<Record<string, string | undefined>> = {},
): string {
  const written = Object.entries(properties).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${escapeData(value).replaceAll(':', '%3A').replaceAll(',', '%2C')}`],
  )
  return `::${level}${written.length > 0 ? ` ${written.join(',')}` : ''}::${escapeData(message)}`
}

// What ends a command, or could begin another one.
function escapeData(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}
