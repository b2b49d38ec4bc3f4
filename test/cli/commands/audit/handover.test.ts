import { expect, test } from 'vitest'
import { makeDirectory } from '../../../support/run-cli.js'
import { serveCli } from '../../../support/served-cli.js'

test('a key that has taken over from the known one is believed, once the log has proven it', async () => {
  const { server, run, read } = await serveCli()
  const env = { AUTHSEC_CONFIG_DIR: await makeDirectory() }
  const readHead = async (more: Record<string, string> = {}) => {
    const { code, stdout } = await run(['audit', 'checkpoint', '--json'], { env: { ...env, ...more } })
    return code === 0 ? JSON.parse(stdout).verifier_key : code
  }
  const first = await readHead()
  const keys: { purpose: string; kid: string }[] = await read(['keys', 'list'])
  const kid = keys.find(({ purpose }) => purpose === 'audit')?.kid ?? ''
  const prepare = ['keys', 'prepare', '--purpose', 'audit']
  const rotate = ['keys', 'rotate', '--purpose', 'audit', '--confirm', 'audit']
  for (const step of [prepare, rotate, prepare, rotate, ['keys', 'taint', kid, '--confirm', kid]]) {
    expect((await run(step)).code).toBe(0)
    // What proves an event has the head signed.
    const { authsec_audit } = (await server.exchange()).json
    expect((await run(['audit', 'show', authsec_audit])).code).toBe(0)
  }
  expect(await run(['audit', 'tail', '--no-follow'], { env })).toMatchObject({ code: 0, stderr: '' })
  // From then on without reading the records, which takes a session.
  const later = await readHead({ AUTHSEC_TOKEN: '' })
  expect(later).toMatch(/^authsec\/[0-9a-f]{32}\+/)
  expect(later).not.toBe(first)
  await server.close()
})
