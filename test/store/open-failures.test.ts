import { describe, expect, test } from 'vitest'
import { explainOpenFailure } from '../../src/store/sqlite-failures.js'

describe('a database that cannot be opened', () => {
  test.each<{ code: string; means: string; fix: RegExp }>([
    { code: 'SQLITE_BUSY', means: 'state_locked', fix: /^$/ },
    ...['SQLITE_FULL', 'SQLITE_IOERR_WRITE', 'ENOSPC', 'EDQUOT', 'EIO'].map((code) => ({
      code,
      means: 'temporarily_unavailable',
      fix: /free space .* start again: nothing is lost/,
    })),
    ...['SQLITE_READONLY', 'SQLITE_CANTOPEN', 'EACCES', 'EROFS'].map((code) => ({
      code,
      means: 'state_unreadable',
      fix: /mounted for writing/,
    })),
    ...['SQLITE_NOTADB', 'SQLITE_CORRUPT', 'EISDIR'].map((code) => ({
      code,
      means: 'state_unreadable',
      fix: /Keep the file for inspection/,
    })),
  ])('because of $code is $means', ({ code, means, fix }) => {
    const cause = Object.assign(new Error('of the engine'), { code })
    const error = explainOpenFailure(cause, '/var/lib/authsec/authsec.db')
    expect(error).toMatchObject({ code: means, cause })
    expect(error.message).toContain('"/var/lib/authsec/authsec.db"')
    expect(error.hint ?? '').toMatch(fix)
  })
})
