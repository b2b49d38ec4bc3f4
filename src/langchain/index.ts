export type { ApprovalInterrupt } from './approval.js'
export {
  AuthsecCallbackHandler,
  type CallbackHandlerOptions,
  type TokenUse,
  type ToolRunReport,
} from './callback-handler.js'
export { currentDelegation, type DelegatedContext } from './current-delegation.js'
export { type DelegatedToolFields, delegatedTool } from './delegated-tool.js'
export { type DelegationContext, delegationContext } from './delegation-context.js'
export {
  type AgentToolCall,
  type DelegationMiddleware,
  type DelegationMiddlewareOptions,
  delegationMiddleware,
} from './delegation-middleware.js'
export type { ApprovalPrompt, ToolDelegation } from './tool-delegation.js'
export { type OnDenied, type TokenGiver, withDelegation } from './with-delegation.js'
