import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { quoteWord } from './shell-words.js'

/** The systems for which a pipeline can be written. */
export const PIPELINES = ['github', 'gitlab'] as const
type System = (typeof PIPELINES)[number]

// Groups of GitLab have groups; an owner at GitHub has repositories.
const REPOSITORIES: Readonly<Record<System, RegExp>> = {
  github: /^[\w.-]+\/[\w.-]+$/,
  gitlab: /^[\w.-]+(?:\/[\w.-]+)+$/,
}

/** A job that gets call tokens by its identity. */
export interface Pipeline {
  serverUrl: string
  clientId: string
  /** `owner/name`. */
  repository: string
  branch: string
  audience: string
  permissions: readonly string[]
}

/** Reads `owner/name`, or a path of GitLab with more groups; throws `usage`. */
export function parseRepository(system: System, text: string): string {
  if (REPOSITORIES[system].test(text)) return text
  throw new AuthsecError('usage', `${quote(text)} is not a repository of ${system}`, {
    hint: 'Write owner/name, as in acme/shop.',
  })
}

/** Reads the name of a branch that can stand in a pipeline as it is; throws `usage`. */
export function parseBranch(text: string): string {
  if (/^[\w./-]+$/.test(text)) return text
  throw new AuthsecError('usage', `${quote(text)} cannot be a branch here`, {
    hint: 'Name one, such as main.',
  })
}

/** The YAML of a job, with the trust rule that it needs in front as a comment. */
export function formatPipeline(system: System, pipeline: Pipeline): string {
  return { github: formatGitHub, gitlab: formatGitLab }[system](pipeline)
}

function formatGitHub(pipeline: Pipeline): string {
  const { serverUrl, clientId, repository, branch } = pipeline
  const subject = `repo:${repository}:ref:refs/heads/${branch}`
  return `${formatRule(pipeline, 'https://token.actions.githubusercontent.com', subject)}
# .github/workflows/agent.yml
name: agent
on:
  push:
    branches: [${yaml(branch)}]
jobs:
  agent:
    runs-on: ubuntu-latest
    permissions:
      contents: read
      id-token: write
    env:
      AUTHSEC_SERVER: ${yaml(serverUrl)}
      AUTHSEC_CLIENT_ID: ${yaml(clientId)}
    steps:
      - run: npm install --global authsec
      - run: |
          authsec ci oidc ${formatCall(pipeline)} --out "$RUNNER_TEMP/call-token"
          authsec token verify "$RUNNER_TEMP/call-token" --audience ${quoteWord(pipeline.audience)}`
}

function formatGitLab(pipeline: Pipeline): string {
  const { serverUrl, clientId, repository, branch } = pipeline
  const subject = `project_path:${repository}:ref_type:branch:ref:${branch}`
  return `${formatRule(pipeline, 'https://gitlab.com', subject)}
# .gitlab-ci.yml
agent:
  image: node:22
  rules:
    - if: $CI_COMMIT_BRANCH == "${branch}"
  id_tokens:
    AUTHSEC_ID_TOKEN:
      aud: ${yaml(serverUrl)}
  variables:
    AUTHSEC_SERVER: ${yaml(serverUrl)}
    AUTHSEC_CLIENT_ID: ${yaml(clientId)}
  script:
    - npm install --global authsec
    - |
      authsec ci oidc ${formatCall(pipeline)} --out "$CI_BUILDS_DIR/call-token"
      authsec token verify "$CI_BUILDS_DIR/call-token" --audience ${quoteWord(pipeline.audience)}`
}

function formatRule({ repository, clientId }: Pipeline, issuer: string, subject: string): string {
  const name = repository.replaceAll('/', '-')
  const rule = `authsec trust create ${name} --client ${clientId} --issuer ${issuer} --subject ${quoteWord(subject)}`
  return `# Once, as an admin of the server:\n#   ${rule}`
}

function formatCall({ audience, permissions }: Pipeline): string {
  return [
    `--audience ${quoteWord(audience)}`,
    ...permissions.map((permission) => `--permission ${quoteWord(permission)}`),
  ].join(' ')
}

function yaml(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
