import { describe, expect, test } from 'vitest'
import { readEnvironment } from '../../src/cli/context.js'

describe('the environment', () => {
  test.each([
    { variables: { AUTHSEC_CONFIG_DIR: '/c', XDG_CONFIG_HOME: '/x' }, platform: 'linux', directory: '/c' },
    { variables: { XDG_CONFIG_HOME: '/x' }, platform: 'linux', directory: '/x/authsec' },
    { variables: { XDG_CONFIG_HOME: '/x', APPDATA: '/a' }, platform: 'win32', directory: '/x/authsec' },
    { variables: { APPDATA: '/a' }, platform: 'win32', directory: '/a/authsec' },
    { variables: { APPDATA: '/a' }, platform: 'linux', directory: '/home/u/.config/authsec' },
    { variables: { AUTHSEC_CONFIG_DIR: '' }, platform: 'darwin', directory: '/home/u/.config/authsec' },
  ] as const)(
    'puts the configuration into $directory for $variables',
    ({ variables, platform, directory }) => {
      expect(readEnvironment(variables, platform, '/home/u').configDirectory).toBe(directory)
    },
  )

  test.each([
    { variables: { XDG_STATE_HOME: '/x' }, platform: 'linux', directory: '/x/authsec/dev' },
    { variables: { LOCALAPPDATA: '/l' }, platform: 'win32', directory: '/l/authsec/dev' },
    { variables: {}, platform: 'linux', directory: '/home/u/.local/state/authsec/dev' },
  ] as const)(
    'puts the state of a server into $directory for $variables',
    ({ variables, platform, directory }) => {
      expect(readEnvironment(variables, platform, '/home/u').stateDirectory).toBe(directory)
    },
  )

  test.each([
    { variables: {}, color: 'auto' },
    { variables: { TERM: 'dumb' }, color: 'never' },
    { variables: { NO_COLOR: '1', FORCE_COLOR: '1' }, color: 'never' },
    { variables: { NO_COLOR: '', FORCE_COLOR: '1' }, color: 'always' },
    { variables: { FORCE_COLOR: '0', CLICOLOR_FORCE: '1' }, color: 'never' },
    { variables: { FORCE_COLOR: '3', TERM: 'dumb' }, color: 'always' },
    { variables: { CLICOLOR_FORCE: '1' }, color: 'always' },
    { variables: { CLICOLOR_FORCE: '0' }, color: 'auto' },
  ])('wants colour $color for $variables', ({ variables, color }) => {
    expect(readEnvironment(variables, 'linux', '/home/u').color).toBe(color)
  })

  test('knows the other names of a variable, and the first one wins', () => {
    const both = { AUTHSEC_SERVER: 'a', AUTHSEC_BASE_URL: 'b', AUTHSEC_AGENT_CLIENT_ID: 'c' }
    expect(readEnvironment(both, 'linux', '/')).toMatchObject({ server: 'a', clientId: 'c' })
  })
})
