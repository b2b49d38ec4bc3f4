import { expect, test } from 'vitest'
import { AUDIT_EVENTS } from '../../../../src/core/audit-record.js'
import { runCli } from '../../../support/run-cli.js'

test('authsec audit types lists every type with its words, without a server', async () => {
  const { code, stdout, stderr } = await runCli(['audit', 'types'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const rows = stdout
    .trim()
    .split('\n')
    .map((line) => line.split('\t'))
  expect(Object.fromEntries(rows)).toEqual(AUDIT_EVENTS)
  expect(rows.map(([type]) => type)).toEqual(Object.keys(AUDIT_EVENTS).sort())

  const data = JSON.parse((await runCli(['audit', 'types', '--json'])).stdout)
  expect(data).toContainEqual({ type: 'token.revoked', description: 'revoked a token' })
})
