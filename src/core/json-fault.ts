const SPACE = /[ \t\n\r]*/y
const TOKEN =
  /[{}[\],:]|"(?:[^"\\\n\r\t]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y

/**
 * Where a text stops being JSON, both counted from 1. What an engine says of that differs from one to the next, and
 * may quote the text.
 */
export function findJsonFault(text: string): { line: number; column: number } {
  const lines = text.slice(0, findFaultIndex(text)).split('\n')
  return { line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 }
}

function findFaultIndex(text: string): number {
  const open: ('{' | '[')[] = []
  let next: 'value' | 'name' | 'colon' | 'more' = 'value'
  // What has just been opened may end at once; after a comma something has to come.
  let isEmpty = false
  let index = 0
  while (true) {
    index += readAt(SPACE, text, index).length
    const token = readAt(TOKEN, text, index)
    const kind = token.charAt(0)
    const parent = open.at(-1)
    const isOpening = kind === '{' || kind === '['
    const isClosing = (isEmpty || next === 'more') && kind === (parent === '{' ? '}' : ']')
    if (isClosing && parent !== undefined) {
      open.pop()
      next = 'more'
    } else if (next === 'more' && kind === ',' && parent !== undefined)
      next = parent === '{' ? 'name' : 'value'
    else if (next === 'name' && kind === '"') next = 'colon'
    else if (next === 'colon' && kind === ':') next = 'value'
    else if (next === 'value' && isOpening) {
      open.push(kind)
      next = kind === '{' ? 'name' : 'value'
    } else if (next === 'value' && /["\w-]/.test(kind)) next = 'more'
    else return index
    isEmpty = isOpening
    index += token.length
  }
}

function readAt(pattern: RegExp, text: string, index: number): string {
  pattern.lastIndex = index
  return pattern.exec(text)?.[0] ?? ''
}
