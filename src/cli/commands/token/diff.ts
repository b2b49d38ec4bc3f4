import type { Command } from '@commander-js/extra-typings'
import { AuthsecError } from '../../../core/errors.js'
import type { Json, JsonObject } from '../../../core/strict-json.js'
import { formatMembers } from '../../claims-text.js'
import type { Context } from '../../context.js'
import { collect } from '../../flags.js'
import { describe } from '../../help.js'
import { dissectToken } from '../../token-anatomy.js'
import { readTokenInput } from '../../token-input.js'

/** How the two differ; it is printed also where the exit code says that they do. */
export interface Output {
  same: boolean
  differences: readonly ShownDifference[]
}

interface ShownDifference extends Omit<Difference, 'a' | 'b'> {
  /** Null where the first token has no such member. */
  a: Json
  /** Null where the second token has no such member. */
  b: Json
}

/** One member that two tokens do not have in common. */
interface Difference {
  part: 'header' | 'claims'
  member: string
  change: 'added' | 'removed' | 'changed'
  a: Json | undefined
  b: Json | undefined
}

export function addDiff(parent: Command, context: Context): void {
  describe(parent.command('diff'), {
    summary: 'show how two tokens differ',
    details: 'Verifies neither of them. The exit code is 0 when they say the same, and 10 when they do not.',
    examples: [
      ['authsec token diff works.jwt fails.jwt', 'what the one has that the other has not'],
      [
        'authsec token mint | authsec token diff before.jwt - --ignore exp --ignore iat --ignore nbf --ignore jti',
        'all but what differs in every token',
      ],
    ],
    exits: [0, 2, 6, 10, 16],
    seeAlso: ['authsec token decode'],
    onlyReads: true,
  })
    .argument('<a>', 'a file that holds a token, or - for standard input')
    .argument('<b>', 'another one')
    .option('--ignore <member>', 'a member that does not count; repeatable', collect, [])
    .option('--json', 'print one JSON object', false)
    .action(async (a, b, { ignore, json }) => {
      if (a === '-' && b === '-') {
        throw new AuthsecError('usage', 'standard input cannot be both tokens', {
          hint: 'Put one of them into a file.',
        })
      }
      await diff(context, [await readToken(context, a), await readToken(context, b)], ignore, json)
    })
}

async function diff(
  { io, clock }: Context,
  [a, b]: readonly [ReadToken, ReadToken],
  ignore: readonly string[],
  json: boolean,
): Promise<void> {
  const differences = [
    ...compare('header', a.header, b.header),
    ...compare('claims', a.claims, b.claims),
  ].filter(({ member }) => !ignore.includes(member))
  if (json) {
    io.json<Output>({
      same: differences.length === 0,
      differences: differences.map(({ a, b, ...rest }) => ({ ...rest, a: a ?? null, b: b ?? null })),
    })
  } else if (differences.length > 0) {
    const show = (member: string, value: Json | undefined) =>
      value === undefined ? '' : (formatMembers({ [member]: value }, clock.now())[0]?.[1] ?? '')
    const rows = differences.map(({ part, member, change, a, b }) => [
      change,
      `${part}.${member}`,
      show(member, a),
      show(member, b),
    ])
    await io.table(['change', 'member', 'a', 'b'], rows)
  } else {
    io.note('both say the same')
  }
  if (differences.length > 0) throw new AuthsecError('answer_no', 'the tokens differ')
}

interface ReadToken {
  header: JsonObject
  claims: JsonObject
}

async function readToken({ io }: Context, source: string): Promise<ReadToken> {
  const { token, file } = await readTokenInput(io, source)
  const { header, claims, inner } = dissectToken(token, file)
  return { header, claims: claims ?? inner?.claims ?? {} }
}

function compare(part: Difference['part'], a: JsonObject, b: JsonObject): Difference[] {
  const members = [...new Set([...Object.keys(a), ...Object.keys(b)])]
  return members.flatMap((member) => {
    const [before, after] = [own(a, member), own(b, member)]
    if (toText(before) === toText(after)) return []
    const change = before === undefined ? 'added' : after === undefined ? 'removed' : 'changed'
    return [{ part, member, change, a: before, b: after }]
  })
}

function own(object: JsonObject, member: string): Json | undefined {
  return Object.hasOwn(object, member) ? object[member] : undefined
}

// The order of members says nothing, that of a list does.
function toText(value: Json | undefined): string | undefined {
  return JSON.stringify(value, (_name, inner: Json) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([one], [other]) => (one < other ? -1 : 1)))
      : inner,
  )
}
