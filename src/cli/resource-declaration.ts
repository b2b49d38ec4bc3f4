import { parsePermissions } from '../core/permission.js'
import type { Declarable } from './declaration.js'

/** An API that is to be registered. */
export interface ResourceTerms {
  uri: string
  permissions: readonly string[]
}

/** APIs as a file declares them, with the members of the server. */
export const RESOURCES: Declarable<ResourceTerms> = {
  one: 'a resource',
  many: 'resources',
  members: ['uri', 'permissions'],
  hint: 'Write {"uri": "https://billing.example", "permissions": ["billing:read"]}.',
  read: ({ text, texts, maybe }) => ({
    uri: text('uri'),
    permissions: [...parsePermissions(maybe('permissions', texts) ?? [])],
  }),
}
