/**
 * What few calls need: imported when it is first used, so that nobody downloads it with the rest. One file, because a
 * bundler splits what two such files share with the rest into chunks of its own.
 */
export { Approvals } from './approvals.js'
export { answerRejection } from './rejected-call.js'
export { importSigningKey, proveByKey } from './signing-key.js'
