// A JWT, whole or cut (RFC 7515 §3.1, RFC 7516 §3.1): its header is the base64url of `{"` and more, and there is a part
// behind it. One part alone may as well be the id of a key.
const TOKEN = /eyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)*/g

/** A text without the tokens that stand in it. */
export function concealTokens(text: string): string {
  return text.replace(TOKEN, '[token]')
}
