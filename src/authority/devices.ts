import { randomBytes, randomInt } from 'node:crypto'
import { networkOf } from '../core/network.js'
import type { Approval, ApprovalForm } from '../store/approvals.js'
import {
  APPROVAL_TTL,
  type ApprovalsOptions,
  answerApproval,
  askForApproval,
  hashHandle,
  nothingWaits,
  type RedeemedApproval,
  type Redemption,
  redeemApproval,
} from './approvals.js'
import type { Provenance } from './audit/log.js'
import { createGuessLimit } from './guess-limit.js'
import type { Session } from './sessions.js'

/** What a device wants. */
export interface DeviceRequest {
  form: Exclude<ApprovalForm, 'tenant'>
  clientId?: string | undefined
  scopes: readonly string[]
  ceiling: readonly string[] | undefined
  /** What it says of itself, as JSON text. */
  deviceInfo?: string | undefined
}

export interface StartedDevice {
  /** What the device polls with. */
  deviceCode: string
  /** What the person types, as it is shown: two groups of four letters. */
  userCode: string
  approval: Approval
}

/** Logging in on a device that has no browser: RFC 8628, which is AuthSec's device flow too. */
export interface Devices {
  /** Throws `rate_limited` while a thousand devices wait that this client has asked for, or nobody in particular. */
  start(request: DeviceRequest, provenance: Provenance): Promise<StartedDevice>
  /**
   * What waits under a user code, however it was typed. Throws `not_found`, recorded because it may be a guess, and
   * `rate_limited` after ten misses from one network within five minutes (RFC 8628 §5.1).
   */
  find(userCode: string, provenance: Provenance): Promise<Approval>
  /** Throws as `find` does, and `access_denied` for a session that is not a person's own. */
  answer(
    userCode: string,
    answer: { session: Session; approve: boolean },
    provenance: Provenance,
  ): Promise<void>
  /** Turns an approval into a session; throws the codes of a poll. */
  redeem(redemption: Omit<Redemption, 'kind'>, provenance: Provenance): Promise<RedeemedApproval>
}

// Without the letters and digits that look alike, and eight of them: 40 bits, against ten guesses in five minutes.
const ALPHABET = 'ABCDEFGHJKMNPQRSTUVWXYZ23456789'
const CODE_LENGTH = 8
const MAX_MISSES = 10

export function createDevices(options: ApprovalsOptions): Devices {
  const { store, audit, clock } = options
  const limit = createGuessLimit({ store, clock, misses: MAX_MISSES, windowMs: APPROVAL_TTL * 1000 })

  async function look(userCode: string, { ip = 'unknown' }: Provenance): Promise<Approval> {
    const guesser = networkOf(ip)
    await limit.assertMayGuess(guesser)
    const found = await store.approvals.findByUserCode(hashHandle(normaliseUserCode(userCode)))
    if (found?.status === 'pending' && found.expiresAt > clock()) return found
    await limit.miss(guesser)
    throw nothingWaits()
  }

  return {
    start(request, provenance) {
      return audit.attempt({ type: 'device.requested' }, provenance, async (attempt) => {
        const deviceCode = randomBytes(32).toString('hex')
        const userCode = createUserCode()
        const terms = { ...request, kind: 'device', ttlSeconds: APPROVAL_TTL } as const
        const codes = { handle: deviceCode, userCode: normaliseUserCode(userCode) }
        const approval = await askForApproval({ ...terms, ...codes }, attempt, options)
        return { deviceCode, userCode, approval }
      })
    },

    async find(userCode, provenance) {
      try {
        return await look(userCode, provenance)
      } catch (error) {
        return audit.attempt({ type: 'device.read' }, provenance, () => Promise.reject(error))
      }
    },

    answer(userCode, { session, approve }, provenance) {
      const type = approve ? 'device.approved' : 'device.denied'
      const actor = { type: 'user', id: session.user.id } as const
      return audit.attempt({ type, actor }, provenance, async (attempt) => {
        const approval = await look(userCode, provenance)
        await answerApproval(approval, { session, approve }, attempt, options)
      })
    },

    redeem: (redemption, provenance) =>
      redeemApproval({ ...redemption, kind: 'device' }, provenance, options),
  }
}

function createUserCode(): string {
  const letters = Array.from({ length: CODE_LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)])
  return `${letters.slice(0, 4).join('')}-${letters.slice(4).join('')}`
}

// RFC 8628 §6.1: what a person types is compared without case and punctuation.
function normaliseUserCode(text: string): string {
  return text
    .slice(0, 64)
    .toUpperCase()
    .replace(/[^A-Z0-9]/g, '')
}
