import { describe, expect, test } from 'vitest'
import { ENDPOINTS } from '../../src/server/endpoints.js'

describe('the list of endpoints', () => {
  test.each(ENDPOINTS.map((endpoint) => [`${endpoint.method} ${endpoint.paths[0]}`, endpoint] as const))(
    '%s says its modes, what it does, whose contract it keeps and how its refusals are recorded',
    (_name, endpoint) => {
      expect(endpoint.modes).toContain('dev')
      expect(endpoint.summary).not.toBe('')
      expect(endpoint.speaks).toMatch(/^(?:AuthSec [ABP]|RFC \d+|OpenID|authsec)/)
      // Only public documents, which every page may read, leave no record.
      expect(endpoint.event === undefined).toBe(endpoint.crossOrigin === true)
      // A stranger is counted, except for documents that cost nothing; whoever has a session is counted anyway.
      if (endpoint.access === 'public') {
        expect(endpoint.limit === undefined).toBe(endpoint.crossOrigin === true)
      }
    },
  )

  test('no two of them answer the same method and path', () => {
    const doors = ENDPOINTS.flatMap(({ method, paths }) => paths.map((path) => `${method} ${path}`))
    expect(new Set(doors).size).toBe(doors.length)
  })
})
