import { expect, test } from 'vitest'
import { formatAssignment } from '../../src/cli/dev-server.js'

test.each([
  { platform: 'win32', line: "$env:AUTHSEC_SERVER = 'http://127.0.0.1:7468'" },
  { platform: 'linux', line: 'export AUTHSEC_SERVER=http://127.0.0.1:7468' },
])('on $platform the line that sets a variable can be pasted', ({ platform, line }) => {
  expect(formatAssignment('AUTHSEC_SERVER', 'http://127.0.0.1:7468', platform)).toBe(line)
})
