// A JWT, whole or cut (RFC 7515 §3.1, RFC 7516 §3.1): its header is the base64url of `{"` and more, and there is a part
// behind it. One part alone may as well be the id of a key. Each run of such letters is looked at once: what is no token
// may be long, and full of what begins like one.
const TOKEN = /(?=[\w-]*\.[\w-]{5})([\w-]*?)eyJ[\w-]{5,}\.[\w.-]*|[\w-]+/g

/** A text without the tokens that stand in it. */
export function concealTokens(text: string): string {
  return text.replace(TOKEN, (run, before?: string) => (before === undefined ? run : `${before}[token]`))
}
