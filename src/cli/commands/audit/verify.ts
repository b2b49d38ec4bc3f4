import { stat } from 'node:fs/promises'
import type { Command } from '@commander-js/extra-typings'
import { fetchAuditProof } from '../../../api/audit-log.js'
import {
  type Checkpoint,
  formatVerifierKey,
  MAX_NOTE_LENGTH,
  parseCheckpoint,
  parseVerifierKey,
  type VerifierKey,
} from '../../../core/checkpoint.js'
import { AuthsecError } from '../../../core/errors.js'
import type { TokenReceipt } from '../../../core/log-receipt.js'
import type { LogSource } from '../../../core/log-source.js'
import type { Anchor, KnownKey } from '../../../core/log-trust.js'
import { type Evidence, judgeLog, type LogReport, type VerdictRequest } from '../../../core/log-verdict.js'
import { quote } from '../../../core/printable.js'
import { openBundle } from '../../audit-bundle.js'
import { type ProofOutput, proveEvent, readProofFile, verifyProof } from '../../audit-event-proof.js'
import { assertNotForged, assertProven } from '../../audit-evidence.js'
import { describeLogReport, formatLogReport, type LogReportOutput } from '../../audit-report.js'
import { type ConnectionFlags, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags, collect, readFlag } from '../../flags.js'
import { describe } from '../../help.js'
import { openKnownLogs } from '../../known-logs.js'
import { chooseKey, describeNewLog, keepContact, openServerLog } from '../../log-contact.js'
import { sha256, verifyEd25519 } from '../../log-crypto.js'
import { readTextFile } from '../../text-file.js'
import { parseTokenInput, readTokenInput } from '../../token-input.js'

/**
 * What the log turns out to be, or with --event or the file of a proof what that proof is worth; it is printed also where
 * the exit code says that this is not enough.
 */
export type Output = LogReportOutput | ProofOutput

interface VerifyFlags extends ConnectionFlags {
  remote: boolean
  key?: VerifierKey | undefined
  checkpoint: readonly string[]
  require: Evidence
  event?: string | undefined
  token?: string | undefined
  json: boolean
}

/** What is checked, and what is known of it beforehand. */
interface Subject {
  source: LogSource
  /** Undefined for a bundle. */
  server: { url: string; fetchProof: (eventId: string) => Promise<string> } | undefined
}

export function addAuditVerify(parent: Command, context: Context): void {
  const command = describe(parent.command('verify'), {
    summary: 'check that the audit log is what was signed',
    details:
      'Reads a bundle of authsec audit export, the proof of one event, or the log of a server, hashes every record, and ' +
      'says in words what that proves. It needs the files and the key of the log, and trusts nobody else. A key that ' +
      'the log names itself proves little: give the one that you know from elsewhere.',
    examples: [
      ['authsec audit verify', 'the log of the server in use'],
      ['authsec audit verify bundle --key authsec/7f3c…+1a2b3c4d+AX…', 'a bundle, on any machine'],
      [
        'authsec audit verify --checkpoint head.txt --require anchored',
        'against a head that was kept elsewhere',
      ],
      ['authsec token mint … | authsec audit verify --token -', 'that the event of a token is in the log'],
    ],
    exits: [0, 2, 4, 5, 6, 13, 16, 18, 19, ...SERVER_EXITS],
    seeAlso: ['authsec audit checkpoint', 'authsec audit export'],
  })
    .argument('[bundle]', 'a directory that authsec audit export wrote, or the proof of an event')
    .option('--remote', 'the log of the server in use, which it is without a bundle anyway', false)
    .option('--key <vkey>', 'the key of the log, as name+id+key', parseKeyFlag)
    .option('--checkpoint <file>', 'a head of the log that was kept; repeatable', collect, [])
    .addOption(
      parent
        .createOption('--require <evidence>', 'how much has to be proven')
        .choices(['linked', 'signed', 'anchored'] as const)
        .default('signed' as Evidence),
    )
    .option('--event <id>', 'print the proof that this event is in the log')
    .option('--token <file>', 'a token whose event has to be there, or - for standard input')
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(command).action((bundle, flags) => verify(context, bundle, flags))
}

async function verify(context: Context, bundle: string | undefined, flags: VerifyFlags): Promise<void> {
  if (bundle !== undefined && flags.remote) {
    throw new AuthsecError('usage', '--remote is given together with a bundle', {
      hint: 'Check one after the other.',
    })
  }
  if (bundle !== undefined && (await isFile(bundle))) {
    assertAlone('the file of a proof', flags, ['event', 'token', 'checkpoint', 'require'])
    return verifyProof(context, await readProofFile(bundle), flags)
  }
  if (flags.event !== undefined) assertAlone('--event', flags, ['token', 'checkpoint', 'require'])
  const token = flags.token === undefined ? undefined : await readToken(context, flags.token)
  const anchors = await Promise.all(flags.checkpoint.map(readAnchor))
  const subject = await openSubject(context, bundle, flags)
  if (flags.event !== undefined) return proveEvent(context, flags.event, subject, flags)
  // The proof is only there once the event is signed: the server signs it at once where it has to.
  if (token !== undefined) await subject.server?.fetchProof(token.eventId).catch(ignoreMissing)

  const { report, key } = await judge(context, subject, { anchors, token }, flags.key)
  const { io } = context
  if (flags.json) io.json<Output>(describeLogReport(report, key))
  else for (const line of formatLogReport(report, key, io.width, await io.style())) io.line(line)
  assertProven(report, flags.require)
}

/** Throws `usage` for what only a whole log can be checked for. */
function assertAlone(what: string, flags: VerifyFlags, others: readonly (keyof VerifyFlags)[]): void {
  const isGiven = (flag: keyof VerifyFlags) =>
    flag === 'require' ? flags.require === 'anchored' : flags[flag] !== undefined && `${flags[flag]}` !== ''
  const other = others.find(isGiven)
  if (other === undefined) return
  const flag = other === 'require' ? '--require anchored' : `--${other}`
  throw new AuthsecError(
    'usage',
    `${flag} says nothing about the proof of one event, which ${what} is about`,
    {
      hint: `Leave ${flag} out, or check the whole log with it.`,
    },
  )
}

/** Checks a whole log with all that this machine knows of it; what is good is remembered. */
async function judge(
  context: Context,
  { source, server }: Subject,
  { anchors, token }: Pick<VerdictRequest, 'anchors' | 'token'>,
  given: VerifierKey | undefined,
): Promise<{ report: LogReport; key: KnownKey | undefined }> {
  // First, so that no head is held against one that another command has seen after it.
  const knownLogs = openKnownLogs(context)
  const logs = await knownLogs.read()
  const note = await source.readCheckpoint()
  if (note === undefined && server)
    throw new AuthsecError('not_found', `${server.url} publishes no audit log`)
  const { verifierKey: told, handovers } = await source.readKeys()
  const origin = readHead(note)?.origin
  const known = origin === undefined ? undefined : logs.find(origin)
  const key = chooseKey(given, known, isKey(told) ? told : undefined)
  const seen = known?.checkpoint === undefined ? [] : [parseCheckpoint(known.checkpoint)]
  // A bundle is what there was when it was made: that the log has grown since is no reason to doubt it.
  const isOutgrown = (anchor: Checkpoint) => !server && anchor.size > (readHead(note)?.size ?? 0)
  const since = seen
    .filter(isOutgrown)
    .map(({ size }) => `this copy is older than the last contact, at ${size} records`)
  const held = seen
    .filter((anchor) => !isOutgrown(anchor))
    .map((checkpoint) => ({ name: 'last contact', checkpoint }))
  const report = await judgeLog({
    note,
    readTile: source.readTile,
    readNote: server && source.readCheckpoint,
    countBehind: source.countBehind,
    key,
    handovers,
    anchors: [...anchors, ...held],
    token,
    isLive: server !== undefined,
    sha256,
    verify: verifyEd25519,
  })
  assertNotForged(report, held, knownLogs.path)
  const change = server && origin !== undefined ? describeNewLog(logs, server.url, origin) : undefined
  const { checkpoint, verdict } = report
  const isGood = verdict === 'INTACT' || verdict === 'LINKED'
  if (server && isGood && checkpoint && told !== undefined && isKey(told)) {
    // A key that a person has given, and that the log has proven to be its own, is believed from then on.
    const isGiven = given !== undefined && verdict === 'INTACT'
    const verifierKey = isGiven ? formatVerifierKey(given) : (known?.verifier_key ?? told)
    await keepContact(context, { checkpoint, verifierKey, serverUrl: server.url, isGiven }, known)
  }
  return {
    report: {
      ...report,
      warnings: [...report.warnings, ...since, ...(change === undefined ? [] : [change])],
    },
    key,
  }
}

async function openSubject(
  context: Context,
  bundle: string | undefined,
  flags: VerifyFlags,
): Promise<Subject> {
  if (bundle !== undefined) {
    await stat(bundle).catch((cause) => {
      throw new AuthsecError('not_found', `there is no bundle ${quote(bundle, 200)}`, {
        hint: 'authsec audit export --format bundle --out DIRECTORY writes one.',
        cause,
      })
    })
    return { source: openBundle(bundle), server: undefined }
  }
  const { target } = await openConnection(context, flags)
  return {
    source: openServerLog(context, target),
    server: { url: target.serverUrl, fetchProof: (eventId) => fetchAuditProof(target, eventId) },
  }
}

async function readToken({ io }: Context, file: string): Promise<TokenReceipt> {
  const { claims, signingInput } = parseTokenInput(await readTokenInput(io, file))
  const eventId = claims['authsec_audit']
  if (typeof eventId !== 'string' || !/^[\w-]{1,64}$/.test(eventId)) {
    throw new AuthsecError('token_malformed', 'the token names no event of an audit log (authsec_audit)')
  }
  return { eventId, hash: Buffer.from(sha256(Buffer.from(signingInput))).toString('base64url') }
}

async function readAnchor(file: string): Promise<Anchor> {
  const note = await readTextFile(file, {
    maxBytes: MAX_NOTE_LENGTH,
    code: 'checkpoint_malformed',
    hint: 'authsec audit checkpoint --out FILE writes one.',
  })
  return { name: file, checkpoint: parseCheckpoint(note) }
}

function parseKeyFlag(text: string): VerifierKey {
  return readFlag(() => parseVerifierKey(text, sha256))
}

function isKey(text: string | undefined): text is string {
  try {
    return text !== undefined && parseVerifierKey(text, sha256) !== undefined
  } catch {
    return false
  }
}

function readHead(note: string | undefined): Checkpoint | undefined {
  try {
    return note === undefined ? undefined : parseCheckpoint(note)
  } catch {
    return undefined
  }
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  )
}

function ignoreMissing(error: unknown): void {
  if (!AuthsecError.is(error, 'not_found')) throw error
}
