import { AuthsecError, type ErrorCode } from '../core/errors.js'
import type { Anchor } from '../core/log-trust.js'
import { type Evidence, type LogReport, proves, type Verdict } from '../core/log-verdict.js'
import { quote } from '../core/printable.js'

/** Throws for a head that is not as it was signed, given in a file or `held` at a path: it accuses nobody but itself. */
export function assertNotForged({ forgedAnchors }: LogReport, held: readonly Anchor[], path: string): void {
  const [forged] = forgedAnchors
  if (forged === undefined) return
  if (held.includes(forged)) {
    throw new AuthsecError(
      'configuration',
      `the head of the log in ${quote(path, 200)} is not as it was signed`,
      {
        hint: 'Look who has changed the file; without it the log is met as for the first time.',
      },
    )
  }
  throw new AuthsecError('usage', `the checkpoint ${quote(forged.name, 200)} is not as it was signed`, {
    hint: 'The file was damaged or changed: use a copy that was kept elsewhere.',
  })
}

const CODES: Partial<Record<Verdict, ErrorCode>> = {
  ALTERED: 'audit_altered',
  FORKED: 'audit_altered',
  UNSIGNED: 'audit_altered',
  KEY: 'audit_altered',
}

/** Throws where a report proves less than is required, in the words and with the code of the finding. */
export function assertProven(report: LogReport, required: Evidence): void {
  const { verdict, statement, anchors, token, undecided } = report
  const isGood = verdict === 'INTACT' || verdict === 'LINKED'
  if (isGood && token?.is === 'other') {
    throw new AuthsecError(
      'signature_invalid',
      `record ${token.index}, which the token names, is of another token`,
      {
        hint: 'The log is as it was signed: the token was changed or made up. See authsec token verify.',
      },
    )
  }
  if (proves(report, required)) return
  if (isGood && undecided.length > 0) {
    throw new AuthsecError(
      'audit_incomplete',
      `the log is good, but not all can be told: ${undecided.join('; ')}`,
      {
        hint: 'Give a newer copy for a newer token, with --key the key that has signed a checkpoint, and a checkpoint of this log: where the server has another log than it had, ask who runs it.',
      },
    )
  }
  if (verdict === 'INTACT' && anchors.length === 0) {
    throw new AuthsecError(
      'audit_incomplete',
      'the log is intact, but there is no anchor to hold it against',
      {
        hint: 'Give a head that you have kept with --checkpoint.',
      },
    )
  }
  if (verdict === 'LINKED') {
    throw new AuthsecError(
      'audit_incomplete',
      'the log hangs together, but nobody but itself vouches for its key',
      {
        hint: 'Give the key with --key, or be content with --require linked.',
      },
    )
  }
  throw new AuthsecError(CODES[verdict] ?? 'audit_incomplete', statement)
}
