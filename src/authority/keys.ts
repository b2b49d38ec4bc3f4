import type { JWK } from 'jose'
import { AuthsecError } from '../core/errors.js'
import { isOver, isPublished, isTrusted, type KeyState } from '../core/keyset.js'
import { nextTurn } from '../core/next-turn.js'
import type { CallAlgorithm, Store, StoredKey, Transaction } from '../store/store.js'
import type { Envelope } from './envelope.js'
import { loadKey, loadPublicPart, toPublicJwk } from './key-making.js'
import { CALL_ALGORITHMS, findActive, type KeyPurpose } from './key-sets.js'
import type { SigningAlgorithm, SigningKey, SigningKeys, VerifyingKey } from './signer.js'

/**
 * Throws `temporarily_unavailable` where a key has been taken out of use since it signed what is about to be issued.
 * Asked inside the transaction that records the issuance; it costs a question only after something has changed.
 */
export type AssertSigning = (key: SigningKey, transaction: Transaction) => Promise<void>

/** The keys of this server as they are now, ready for use. */
export interface Keyring {
  /** The active key of each purpose; of call tokens the one that signs where a resource asks for no other. */
  readonly active: Readonly<Record<KeyPurpose, SigningKey>>
  /** The active keys of call tokens, one for each algorithm that a resource may ask for. */
  readonly call: Readonly<Record<CallAlgorithm, SigningKey>>
  /** Every key of call tokens whose tokens the server takes for its own. */
  readonly trustedCall: readonly SigningKey[]
  readonly base: SigningKeys
  readonly session: SigningKeys
  readonly audit: AuditKeys
  /** What `/oauth/jwks` serves: the public keys of call tokens. */
  readonly callKeySet: { keys: JWK[] }
  /** What the tenant bundle serves: the one key of base tokens, under AuthSec's name for it. */
  readonly bundle: { keys: JWK[] }
  assertSigning: AssertSigning
  /** The revision of the keys that it holds. */
  readonly revision: number
  /** Loads what has changed, whoever changed it. Throws `state_unreadable`, and then stays as it was. */
  refresh(): Promise<void>
}

/** The keys of the audit log. */
export interface AuditKeys {
  /** Those that sign its head: the active one, then those that it takes over from. */
  signing: readonly [SigningKey, ...SigningKey[]]
  /** Every one there ever was: an older head bears their signatures. */
  known: readonly VerifyingKey[]
}

/** What is known of the keys at one revision. */
interface Loaded
  extends Pick<Keyring, 'active' | 'call' | 'trustedCall' | 'audit' | 'callKeySet' | 'bundle'> {
  base: SigningKeys
  session: SigningKeys
  /** Of every key, whatever its state. */
  states: ReadonlyMap<string, string>
  /** The revision of authority under which it was read. */
  authorityRevision: number
  keyRevision: number
}

/** This server among those that serve the same keys. */
export interface KeyServing {
  assertCurrent(): void
  acknowledge(): Promise<void>
}

/** AuthSec publishes the key of base tokens under this id, while the tokens themselves name none. */
const BUNDLE_KEY_ID = 'default'

/**
 * Loads the keys of a state that has one active key in each set. Throws `state_unreadable`. Whoever asks for a key is
 * told what `assertCurrent` throws, where what is loaded may be out of date; the other servers, by `acknowledge`, that
 * something else is loaded.
 */
export async function openKeyring(
  store: Store,
  envelope: Envelope,
  { assertCurrent = () => {}, acknowledge = async () => {} }: Partial<KeyServing> = {},
): Promise<Keyring> {
  const ready = new Map<string, SigningKey>()
  let refreshing: Promise<void> | undefined
  let loaded = await load()

  async function load(): Promise<Loaded> {
    // The revisions first: what changes meanwhile makes them old, and is loaded once more.
    const authorityRevision = await store.delegations.revision()
    const keyRevision = await store.keys.revision()
    const stored = await store.keys.list()
    const over = stored.filter(({ state }) => isOver({ state: state as KeyState }))
    // What the state has no more is not kept by a process either.
    for (const { kid } of over) ready.delete(kid)
    const usable = stored.filter((key) => !over.includes(key))
    const audit = stored.filter(({ purpose }) => purpose === 'audit')
    return {
      ...arrange(
        usable.map((key) => ({ ...key, ready: findReady(key) })),
        audit.map((key) => loadPublicPart(key, envelope)),
      ),
      states: new Map(stored.map(({ kid, state }) => [kid, state])),
      authorityRevision,
      keyRevision,
    }
  }

  function findReady(stored: StoredKey): SigningKey {
    const known = ready.get(stored.kid)
    if (known !== undefined) return known
    const key = loadKey(stored, envelope)
    ready.set(stored.kid, key)
    return key
  }

  function current(): Loaded {
    assertCurrent()
    return loaded
  }

  const keysOf = (purpose: 'base' | 'session'): SigningKeys => ({
    get active() {
      return current()[purpose].active
    },
    get trusted() {
      return current()[purpose].trusted
    },
  })

  function refresh(): Promise<void> {
    refreshing ??= load()
      .then((next) => {
        loaded = next
        return acknowledge()
      })
      .finally(() => {
        refreshing = undefined
      })
    return refreshing
  }

  return {
    get active() {
      return current().active
    },
    get call() {
      return current().call
    },
    get trustedCall() {
      return current().trustedCall
    },
    get callKeySet() {
      return current().callKeySet
    },
    get bundle() {
      return current().bundle
    },
    get revision() {
      return loaded.keyRevision
    },
    base: keysOf('base'),
    session: keysOf('session'),
    get audit() {
      return loaded.audit
    },

    async assertSigning({ kid }, transaction) {
      const isUpToDate = (await transaction.delegations.revision()) === loaded.authorityRevision
      // What is loaded may be newer than the signature.
      const state = isUpToDate ? loaded.states.get(kid) : await transaction.keys.findState(kid)
      // Out of this transaction, which may yet be undone: it is a hint for the next one and nothing more.
      if (!isUpToDate)
        void nextTurn()
          .then(refresh)
          .catch(() => {})
      // What has been signed by the key that was active a moment ago lives as long as its overlap.
      if (state === 'active' || state === 'retiring') return
      throw new AuthsecError('temporarily_unavailable', 'the key that signed was taken out of use', {
        hint: 'Ask again: another key has taken over.',
      })
    },

    async refresh() {
      // One that is under way may have read too early.
      await refreshing?.catch(() => {})
      await refresh()
    },
  }
}

type ReadyKey = StoredKey & { ready: SigningKey }

function arrange(
  keys: readonly ReadyKey[],
  knownAudit: readonly VerifyingKey[],
): Omit<Loaded, 'states' | 'authorityRevision' | 'keyRevision'> {
  const inState = (purpose: KeyPurpose, is: (key: { state: KeyState }) => boolean) =>
    keys.filter((key) => key.purpose === purpose && is({ state: key.state as KeyState }))

  const activeOf = (purpose: KeyPurpose, alg: SigningAlgorithm) => findActive(keys, { purpose, alg }).ready

  function arrangeSet(active: SigningKey, purpose: KeyPurpose): SigningKeys {
    const others = inState(purpose, isTrusted).filter(({ kid }) => kid !== active.kid)
    return { active, trusted: [active, ...others.map(({ ready }) => ready)] }
  }

  const call = {
    ES256: activeOf('call', 'ES256'),
    RS256: activeOf('call', 'RS256'),
    EdDSA: activeOf('call', 'EdDSA'),
  }
  const base = arrangeSet(activeOf('base', 'RS256'), 'base')
  const session = arrangeSet(activeOf('session', 'HS256'), 'session')
  const auditActive = activeOf('audit', 'EdDSA')
  const retiring = inState('audit', ({ state }) => state === 'retiring').map(({ ready }) => ready)
  // The active ones first, in the order of their algorithms: a verifier that takes the first takes the right one.
  const signing = CALL_ALGORITHMS.map((alg) => call[alg])
  const published = inState('call', isPublished).map(({ ready }) => ready)
  const others = published.filter((key) => !signing.includes(key))
  return {
    active: { call: call.ES256, base: base.active, session: session.active, audit: auditActive },
    audit: { signing: [auditActive, ...retiring], known: knownAudit },
    call,
    trustedCall: inState('call', isTrusted).map(({ ready }) => ready),
    base,
    session,
    callKeySet: { keys: [...signing, ...others].map(toPublicJwk) },
    bundle: { keys: [{ ...toPublicJwk(base.active), kid: BUNDLE_KEY_ID }] },
  }
}
