import { describe, expect, test } from 'vitest'
import { ENDPOINTS } from '../../src/server/endpoints.js'

describe('the list of endpoints', () => {
  test.each(ENDPOINTS.map((endpoint) => [`${endpoint.method} ${endpoint.paths[0]}`, endpoint] as const))(
    '%s says its modes, what it does, whose contract it keeps and how its refusals are recorded',
    (_name, endpoint) => {
      expect(endpoint.modes).toContain('dev')
      expect(endpoint.summary).not.toBe('')
      expect(endpoint.speaks).toMatch(/^(?:AuthSec [ABP]|RFC \d+|OpenID|C2SP|authsec)/)
      // Only public documents leave no record: what every page may read, and what the server says of itself.
      const isDocument = endpoint.crossOrigin === true || endpoint.paths.includes('/dev/support')
      expect(endpoint.event === undefined).toBe(isDocument)
      // A form on a page of another origin is a navigation as well: what changes anything opens to none.
      if (endpoint.crossOrigin === 'navigation') expect(endpoint.method).toBe('GET')
      // A stranger is counted, except for documents that cost nothing; whoever has a session is counted anyway.
      if (endpoint.access === 'public') {
        expect(endpoint.limit === undefined).toBe(isDocument)
      }
    },
  )

  test('no two of them answer the same method and path', () => {
    const doors = ENDPOINTS.flatMap(({ method, paths }) => paths.map((path) => `${method} ${path}`))
    expect(new Set(doors).size).toBe(doors.length)
  })
})
