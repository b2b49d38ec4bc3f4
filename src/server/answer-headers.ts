/**
 * What every answer says of itself: nobody stores one that does not say so, no page of another origin can load it as an
 * image or a script unless it is `forAll`, and no browser guesses what it is.
 */
export function createAnswerHeaders(requestId: string, forAll = false): Readonly<Record<string, string>> {
  return {
    'cache-control': 'no-store',
    // What HTTP/1.0 understands: RFC 6749 §5.1 demands both of an answer with a token.
    pragma: 'no-cache',
    'x-request-id': requestId,
    'x-content-type-options': 'nosniff',
    'cross-origin-resource-policy': forAll ? 'cross-origin' : 'same-origin',
  }
}
