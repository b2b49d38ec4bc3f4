/**
 * What few calls need, and no bundle has to load with the rest: it is imported when it is used. In one file, because each
 * further one that shares modules with the rest would tear those apart.
 */
export { Approvals } from './approvals.js'
export { answerRejection } from './rejected-call.js'
export { importSigningKey, signAssertion } from './signing-key.js'
