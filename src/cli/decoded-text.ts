/**
 * Decodes a text however it was saved: as UTF-16 where its mark stands in front, as `>` of Windows PowerShell writes it, and
 * otherwise as UTF-8; without the mark, and with lines that end as they do everywhere.
 */
export function decodeText(bytes: Uint8Array): string {
  const isUtf16 = bytes[0] === 0xff && bytes[1] === 0xfe
  return new TextDecoder(isUtf16 ? 'utf-16le' : 'utf-8').decode(bytes).replaceAll('\r\n', '\n')
}
