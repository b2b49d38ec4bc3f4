/** Everything that must not be found again, by what it is. */
export interface SecretHunt {
  /** Adds a secret, and gives it back. */
  keep(what: string, secret: string): string
  /** What of it all is found in something, in whatever form. */
  findIn(content: string | Buffer): string[]
}

/**
 * Opens a hunt for secrets as they are, and as base64, base64url, hexadecimal digits, percent-encoded text or in JSON,
 * also twice.
 */
export function openHunt(): SecretHunt {
  const forms = new Map<string, string>()
  return {
    keep(what, secret) {
      if (secret.length < 8) throw new Error(`${what} is no secret: ${JSON.stringify(secret)}`)
      for (const piece of piecesOf(secret)) for (const form of formsOf(piece)) forms.set(form, what)
      return secret
    },
    findIn(content) {
      const text = typeof content === 'string' ? content : content.toString('latin1')
      return [...new Set([...forms].filter(([form]) => text.includes(form)).map(([, what]) => what))]
    },
  }
}

/** The forms that one text can take. */
export function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret)
  const hex = bytes.toString('hex')
  const form = new URLSearchParams({ secret }).toString().slice('secret='.length)
  const json = [escapeJson(secret), escapeJson(escapeJson(secret))]
  return [secret, encodeURIComponent(secret), form, ...json, hex, hex.toUpperCase(), ...base64sOf(bytes)]
}

// Of a token also what it says and its signature, whole and in halves: its header is the same in all of them.
function piecesOf(secret: string): string[] {
  const [header = '', payload = '', signature = ''] = secret.split('.')
  if (!header.startsWith('eyJ') || signature === '') return [secret]
  const half = Math.floor(signature.length / 2)
  return [secret, payload, signature, signature.slice(0, half), signature.slice(half)]
}

function escapeJson(text: string): string {
  return JSON.stringify(text).slice(1, -1)
}

// Three, as there are three places in a group of base64 where it can begin; what depends on its neighbours is left out.
function base64sOf(bytes: Buffer): string[] {
  return [0, 1, 2].flatMap((before) => {
    const shifted = Buffer.concat([Buffer.alloc(before), bytes])
    const whole = shifted.subarray(0, shifted.length - (shifted.length % 3))
    const skipped = before === 0 ? 0 : 4
    return (['base64', 'base64url'] as const).map((encoding) => whole.toString(encoding).slice(skipped))
  })
}
