import type { Command } from '@commander-js/extra-typings'
import { AuthsecError } from '../../../core/errors.js'
import { toPrintable } from '../../../core/printable.js'
import type { JsonObject } from '../../../core/strict-json.js'
import { type ChainLink, formatChain, formatMembers, readChain } from '../../claims-text.js'
import { wrapText } from '../../columns.js'
import type { Context } from '../../context.js'
import { formatHop, type Hop, readHops } from '../../delegation-hops.js'
import { collect } from '../../flags.js'
import { describe } from '../../help.js'
import type { Io, Paint, Style } from '../../io.js'
import { escapeJson } from '../../json-text.js'
import { type Anatomy, dissectToken } from '../../token-anatomy.js'
import { readTokenInput, readTokenOrArgument, type TokenInput } from '../../token-input.js'
import { formatLifetime, formatSignature, layOutMembers, type Member } from '../../token-text.js'

/** What the token says; nothing of it is verified. */
export type Output = { verified: false } & (WholeToken | HeaderPart | ClaimsPart | ChainPart)

/** All of it. */
interface WholeToken extends HeaderPart, ClaimsPart {
  kind: Anatomy['kind']
  /** Who acts for whom: the person first, then the agent that acts, then those before it. */
  chain: readonly ChainLink[]
  /** The token that this one holds. */
  inner?: HeaderPart & ClaimsPart
  /** What stood around the token and was taken off. */
  stripped: readonly string[]
}

/** With --header-only. */
interface HeaderPart {
  header: JsonObject
}

/** With --claims. */
interface ClaimsPart {
  /** Null where nobody but the recipient can read them. */
  claims: JsonObject | null
}

/** With --chain. */
interface ChainPart {
  chain: readonly ChainLink[]
  /** From each token to the next one that was made of it; those before it are given with --parent. */
  hops: readonly Hop[]
}

interface DecodeRequest {
  input: TokenInput
  /** What is shown; everything when nobody chose. */
  part: 'all' | 'header' | 'claims' | 'chain'
  /** The tokens from which it descends. */
  parents: readonly JsonObject[]
  raw: boolean
  explain: boolean
  json: boolean
}

export function addDecode(parent: Command, context: Context): void {
  describe(parent.command('decode'), {
    summary: 'show what a token says, without verifying it',
    details:
      'Calls nobody, and reads any JWT: also nested ones, and the header of encrypted ones. "Bearer", quotes and ' +
      'line breaks around the token are taken off. Whoever made the token may have written anything into it: ' +
      'token verify tells whether it holds.',
    examples: [
      ['authsec token mint | authsec token decode -', 'read a fresh token'],
      ['authsec token decode token.jwt --explain', 'with what each claim means'],
      [
        'authsec token decode call.jwt --chain --parent base.jwt',
        'who acts for whom, and what each hop narrowed',
      ],
      ['authsec token decode token.jwt --claims --raw | jq .exp', 'work with the claims'],
    ],
    exits: [0, 2, 6, 7, 16],
    seeAlso: ['authsec token verify', 'authsec token lint', 'authsec token diff'],
    onlyReads: true,
  })
    .argument('[token]', 'the token, a file that holds it, or - for standard input', '-')
    .addOption(
      parent.createOption('--claims', 'only the claims').default(false).conflicts(['headerOnly', 'chain']),
    )
    .addOption(parent.createOption('--header-only', 'only the header').default(false).conflicts('chain'))
    .addOption(
      parent
        .createOption('--chain', 'only the user, the agents and what each hop narrowed')
        .default(false)
        .conflicts('explain'),
    )
    .option('--parent <file>', 'a token from which it descends, for --chain; repeatable', collect, [])
    .addOption(
      parent
        .createOption('--raw', 'the JSON as it stands in the token, one text per line')
        .default(false)
        .conflicts(['chain', 'explain', 'json']),
    )
    .option('--explain', 'say what each member means', false)
    .option('--json', 'print one JSON object', false)
    .action(async (argument, { claims, headerOnly, chain, parent: files, ...flags }) => {
      if (files.length > 0 && !chain) {
        throw new AuthsecError('usage', '--parent is for --chain', { hint: 'Add --chain.' })
      }
      const input = await readTokenOrArgument(context.io, argument)
      const parents: JsonObject[] = []
      for (const file of files) parents.push(readClaims(await readTokenInput(context.io, file)))
      const part = claims ? 'claims' : headerOnly ? 'header' : chain ? 'chain' : 'all'
      await decode(context, { input, part, parents, ...flags })
    })
}

async function decode(context: Context, request: DecodeRequest): Promise<void> {
  const { io } = context
  const anatomy = dissectToken(request.input.token)
  const hops = readHops(anatomy.claims ?? {}, request.parents)
  if (request.json) io.json<Output>({ verified: false, ...describeParts(anatomy, request, hops) })
  else if (request.raw) printRaw(io, anatomy, request)
  else await printText(context, anatomy, request, hops)
}

function describeParts(
  anatomy: Anatomy,
  { part, input }: DecodeRequest,
  hops: readonly Hop[],
): WholeToken | HeaderPart | ClaimsPart | ChainPart {
  const { kind, header, claims, inner } = anatomy
  const chain = readChain(claims ?? {})
  if (part === 'header') return { header }
  if (part === 'claims') return { claims: claims ?? null }
  if (part === 'chain') return { chain, hops }
  return {
    kind,
    header,
    claims: claims ?? null,
    chain,
    ...(inner !== undefined && { inner: { header: inner.header, claims: inner.claims ?? null } }),
    stripped: input.stripped,
  }
}

function printRaw(io: Io, { texts }: Anatomy, { part }: DecodeRequest): void {
  const [header = '', payload] = texts
  io.note('NOT VERIFIED')
  if (part !== 'claims') io.line(escapeJson(header))
  if (part === 'header') return
  if (payload !== undefined) io.line(escapeJson(payload))
  else if (part === 'claims') throw unreadable()
}

async function printText(
  context: Context,
  anatomy: Anatomy,
  request: DecodeRequest,
  hops: readonly Hop[],
): Promise<void> {
  const { io } = context
  const style = await io.style()
  if (request.part === 'claims' && anatomy.claims === undefined && anatomy.inner === undefined)
    throw unreadable()
  const advice =
    anatomy.kind === 'encrypted'
      ? 'encrypted: its recipient alone can read the claims'
      : `check it with: authsec token verify ${nameSource(request.input)}`
  const isFit = `NOT VERIFIED  ${advice}`.length <= io.width
  io.line(`${style.caution('NOT VERIFIED')}${isFit ? '  ' : '\n'}${advice}`)

  if (request.part === 'chain') printChain(io, anatomy, hops, style)
  else await printBlocks(context, anatomy, request, style, '')
}

// A file only where its name needs no quoting in any shell.
function nameSource({ file = '-' }: TokenInput): string {
  return /^[\w./][\w./-]*$/.test(file) ? file : '-'
}

async function printBlocks(
  context: Context,
  { header, claims, inner, signatureBytes }: Anatomy,
  request: DecodeRequest,
  style: Style,
  place: string,
): Promise<void> {
  const { io, clock } = context
  const now = clock.now()
  const [first, second, third] = style.tints
  const { header: headerMeanings, claims: claimMeanings } = await loadMeanings(request.explain)
  const print = (title: string, members: readonly Member[], name: Paint) => {
    if (members.length === 0) return
    io.line()
    io.line(style.strong(name(`${place}${title}`)))
    for (const line of layOutMembers(members, io, { name, meaning: style.faint })) io.line(line)
  }
  const explain = (members: JsonObject, table: Meanings): Member[] =>
    formatMembers(members, now).map(([name, value]) => ({
      name,
      value,
      meaning: Object.hasOwn(table, name) ? table[name] : undefined,
    }))

  if (request.part !== 'claims') print('header', explain(header, headerMeanings), first)
  if (request.part === 'header') return
  if (claims !== undefined) print('claims', explain(claims, claimMeanings), second)
  if (inner !== undefined) await printBlocks(context, inner, request, style, `${place}inner `)
  if (request.part === 'claims' || claims === undefined) return
  if (signatureBytes !== undefined) {
    io.line()
    io.line(style.strong(third(`${place}signature`)))
    io.line(`  ${formatSignature(signatureBytes, header)}`)
  }
  const lifetime = formatLifetime(claims, now)
  if (lifetime !== undefined) {
    io.line()
    io.line(style.strong('lifetime'))
    io.line(wrapText(`  ${lifetime}`, io.width, '  '))
  }
  const chain = formatChain(readChain(claims))
  print(
    'chain',
    chain.map(([name, value]) => ({ name, value })),
    (text) => text,
  )
}

type Meanings = Readonly<Record<string, string>>

async function loadMeanings(wanted: boolean): Promise<{ header: Meanings; claims: Meanings }> {
  if (!wanted) return { header: {}, claims: {} }
  const { HEADER_MEANINGS, CLAIM_MEANINGS } = await import('../../claim-meanings.js')
  return { header: HEADER_MEANINGS, claims: CLAIM_MEANINGS }
}

function printChain(io: Io, { claims = {} }: Anatomy, hops: readonly Hop[], style: Style): void {
  const [user, current, ...earlier] = readChain(claims)
  if (user === undefined) {
    throw new AuthsecError('not_found', 'the token names nobody who acts for somebody else', {
      hint: 'A delegation token has act, or user_id.',
    })
  }
  io.line()
  io.line(`user ${toPrintable(user.id)}`)
  // In the order of the delegation: the first agent stands next to the user.
  for (const [index, link] of [...earlier.reverse(), ...(current ? [current] : [])].entries()) {
    const client = link.client_id === undefined ? '' : `  client ${toPrintable(link.client_id)}`
    const acts = link === current ? `  ${style.strong('acts now')}` : ''
    io.line(`${'   '.repeat(index)}└─ agent ${toPrintable(link.id)}${client}${acts}`)
  }
  for (const hop of hops) {
    io.line()
    io.line(style.strong(`${toPrintable(hop.from)} → ${toPrintable(hop.to)}`))
    const members = formatHop(hop).map(([name, value]) => ({ name, value }))
    const name: Paint = (text) => (text === 'WIDENED' ? style.bad(text) : text)
    for (const line of layOutMembers(members, io, { name, meaning: style.faint })) io.line(line)
  }
  if (hops.length === 0) io.note('a token does not say what its parents allowed: add them with --parent')
}

function readClaims(input: TokenInput): JsonObject {
  const { claims } = dissectToken(input.token)
  if (claims === undefined) throw unreadable()
  return claims
}

function unreadable(): AuthsecError {
  return new AuthsecError('token_malformed', 'the token has no claims that can be read', {
    hint: 'An encrypted token is for its recipient alone.',
  })
}
