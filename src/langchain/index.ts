export {
  type DelegatedContext,
  type DelegatedToolFields,
  delegatedTool,
  type TokenGiver,
  type ToolDelegation,
} from './delegated-tool.js'
