/** One step of the schema. Steps are only ever appended; a step that has landed is never edited. */
export interface Migration {
  version: number
  statements: readonly string[]
}

/** Every step in order. The statements are the common part of what SQLite and PostgreSQL understand. */
export const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    statements: [
      `create table users (
        id text primary key,
        email text not null unique,
        active integer not null,
        created_at bigint not null
      )`,
      `create table roles (name text primary key, permissions text not null)`,
      `create table role_bindings (
        user_id text not null references users (id),
        role_name text not null references roles (name),
        primary key (user_id, role_name)
      )`,
      `create table clients (
        id text primary key,
        name text not null,
        email text not null,
        client_type text not null,
        agent_type text,
        spiffe_id text unique,
        platform text,
        selectors text not null,
        active integer not null,
        created_at bigint not null,
        updated_at bigint not null
      )`,
      `create index clients_name on clients (name)`,
      `create table resources (
        uri text primary key,
        permissions text not null,
        client_id text references clients (id),
        created_at bigint not null
      )`,
      `create table policies (
        id text primary key,
        role_name text not null,
        agent_type text not null,
        allowed_permissions text not null,
        resources text not null,
        max_ttl_seconds integer not null,
        enabled integer not null,
        client_id text references clients (id),
        created_by text references users (id),
        created_at bigint not null,
        updated_at bigint not null,
        unique (role_name, agent_type)
      )`,
      `create table delegations (
        id text primary key,
        client_id text not null unique references clients (id),
        user_id text not null references users (id),
        policy_id text not null references policies (id),
        permissions text not null,
        resources text not null,
        audience text not null,
        jti text not null,
        token blob not null,
        status text not null,
        ttl_seconds integer not null,
        created_at bigint not null,
        updated_at bigint not null,
        expires_at bigint not null
      )`,
      `create table keys (
        kid text primary key,
        purpose text not null,
        alg text not null,
        state text not null,
        public_jwk text,
        sealed_jwk blob not null,
        created_at bigint not null
      )`,
      `create table audit_events (
        seq bigint primary key,
        id text not null unique,
        record text not null,
        type text not null,
        outcome text not null,
        reason text,
        client text,
        subject text,
        jti text,
        parent_jti text,
        delegation text,
        txn text,
        occurred_at bigint not null
      )`,
      `create index audit_events_jti on audit_events (jti)`,
      `create index audit_events_parent_jti on audit_events (parent_jti)`,
      `create index audit_events_client on audit_events (client, seq)`,
      `create index audit_events_delegation on audit_events (delegation, seq)`,
      `create table audit_private (event_id text primary key, ip text, user_agent text)`,
    ],
  },
  {
    version: 2,
    statements: [
      `alter table clients add column auth_method text not null default 'none'`,
      `alter table clients add column secret_hash text`,
      `alter table clients add column jwks text`,
      `alter table clients add column grant_types text`,
      `alter table clients add column scope text`,
      `alter table clients add column registration_token_hash text`,
      `alter table clients add column registration text`,
      `alter table resources add column signing_alg text not null default 'ES256'`,
      `create table used_assertions (
        client_id text not null references clients (id),
        jti_hash text not null,
        expires_at bigint not null,
        primary key (client_id, jti_hash)
      )`,
      `create index used_assertions_expires_at on used_assertions (expires_at)`,
    ],
  },
  {
    version: 3,
    statements: [
      `create table sessions (
        id text primary key,
        kind text not null,
        user_id text not null references users (id),
        client_id text,
        permissions text,
        boot_id text,
        created_at bigint not null,
        expires_at bigint not null
      )`,
      `create index sessions_expires_at on sessions (expires_at)`,
      `create table passwords (
        user_id text primary key references users (id),
        hash text not null,
        failures integer not null,
        locked_until bigint,
        used_at bigint
      )`,
    ],
  },
  {
    version: 4,
    statements: [
      `alter table clients add column tags text not null default '[]'`,
      `alter table clients add column hydra_client_id text`,
      `alter table clients add column oidc_enabled integer not null default 0`,
      `alter table clients add column deleted_at bigint`,
    ],
  },
  {
    version: 5,
    statements: [
      `create table approvals (
        id text primary key,
        kind text not null,
        form text not null,
        handle_hash text not null unique,
        user_code_hash text unique,
        client_id text,
        user_id text references users (id),
        scopes text not null,
        ceiling text,
        binding_message text,
        device_info text,
        status text not null,
        interval_seconds integer not null,
        polled_at bigint,
        created_at bigint not null,
        expires_at bigint not null
      )`,
      `create index approvals_user on approvals (user_id, status)`,
      `create index approvals_expires_at on approvals (expires_at)`,
    ],
  },
  {
    version: 6,
    statements: [
      `create table used_tokens (jti text primary key, expires_at bigint not null)`,
      `create index used_tokens_expires_at on used_tokens (expires_at)`,
    ],
  },
  {
    version: 7,
    statements: [
      `create table revoked_tokens (jti text primary key, expires_at bigint not null)`,
      `create index revoked_tokens_expires_at on revoked_tokens (expires_at)`,
    ],
  },
  {
    version: 8,
    statements: [
      `create table external_services (
        id text primary key,
        name text not null unique,
        type text not null,
        url text not null,
        description text not null,
        tags text not null,
        resource_id text not null,
        auth_type text not null,
        agent_accessible integer not null,
        sealed_credentials blob not null,
        created_by text not null references users (id),
        created_at bigint not null,
        updated_at bigint not null
      )`,
      `create table agent_actions (
        id text primary key,
        client_id text not null,
        agent_id text not null,
        agent_name text,
        user_id text not null references users (id),
        action text not null,
        resource text not null,
        detail text,
        risk_score integer not null,
        approval_type text not null,
        status text not null,
        approvers text not null,
        created_at bigint not null,
        expires_at bigint not null
      )`,
      `create index agent_actions_user on agent_actions (user_id, status)`,
      `create index agent_actions_expires_at on agent_actions (expires_at)`,
    ],
  },
  {
    version: 9,
    statements: [
      `alter table keys add column published_at bigint`,
      `alter table keys add column activated_at bigint`,
      `alter table keys add column stopped_at bigint`,
      // Until now every key signed from its first moment.
      `update keys set published_at = created_at, activated_at = created_at`,
      `insert into settings (name, value) values ('key_revision', '0')`,
    ],
  },
  {
    version: 10,
    statements: [
      `create table audit_tiles (
        level integer not null,
        tile bigint not null,
        hashes blob not null,
        primary key (level, tile)
      )`,
      `create table audit_heads (
        size bigint primary key,
        note text not null,
        signed_at bigint not null,
        handover integer not null
      )`,
    ],
  },
  {
    version: 11,
    statements: [
      `alter table audit_events add column policy text`,
      `drop index audit_events_jti`,
      `drop index audit_events_parent_jti`,
      `create index audit_events_jti on audit_events (jti, seq)`,
      `create index audit_events_parent_jti on audit_events (parent_jti, seq)`,
      `create index audit_events_txn on audit_events (txn, seq)`,
      `create index audit_events_policy on audit_events (policy, seq)`,
      `create index audit_events_subject on audit_events (subject, seq)`,
      `create index audit_events_type on audit_events (type, seq)`,
      `create index audit_events_occurred_at on audit_events (occurred_at, seq)`,
      `create index audit_events_refused on audit_events (outcome, seq) where outcome <> 'allow'`,
    ],
  },
  {
    version: 12,
    statements: [
      // Times by the clock of the database.
      `create table replicas (
        boot_id text primary key,
        key_revision bigint not null,
        served_since bigint not null,
        lease_until bigint not null
      )`,
      `create table leases (
        name text primary key,
        holder text not null,
        epoch bigint not null,
        expires_at bigint not null
      )`,
      `create table guesses (guesser text primary key, count integer not null, until bigint not null)`,
      `create index guesses_until on guesses (until)`,
    ],
  },
  {
    version: 13,
    statements: [
      `alter table clients add column former_secret_hash text`,
      `alter table clients add column former_secret_expires_at bigint`,
    ],
  },
  {
    version: 14,
    statements: [
      `alter table delegations add column end_recorded integer not null default 0`,
      `update delegations set end_recorded = 1 where status <> 'active'`,
      `create index delegations_open_ends on delegations (expires_at) where end_recorded = 0`,
    ],
  },
  {
    version: 15,
    statements: [
      `create table trust_rules (
        name text primary key,
        client_id text not null references clients (id) on delete cascade,
        issuer text not null,
        audience text not null,
        subject text not null,
        claims text not null,
        created_at bigint not null
      )`,
      `create index trust_rules_client_id on trust_rules (client_id)`,
    ],
  },
  {
    version: 16,
    statements: [
      `create table audit_terms (
        seq bigint primary key,
        type text not null,
        outcome text not null,
        client text,
        subject text,
        jti text,
        parent_jti text,
        delegation text,
        txn text,
        policy text,
        occurred_at bigint not null
      )`,
      `insert into audit_terms
        select seq, type, outcome, client, subject, jti, parent_jti, delegation, txn, policy, occurred_at
        from audit_events`,
      `drop index audit_events_jti`,
      `drop index audit_events_parent_jti`,
      `drop index audit_events_txn`,
      `drop index audit_events_delegation`,
      `drop index audit_events_policy`,
      `drop index audit_events_client`,
      `drop index audit_events_subject`,
      `drop index audit_events_type`,
      `drop index audit_events_occurred_at`,
      `drop index audit_events_refused`,
      `create index audit_terms_jti on audit_terms (jti, seq)`,
      `create index audit_terms_parent_jti on audit_terms (parent_jti, seq)`,
      `create index audit_terms_txn on audit_terms (txn, seq)`,
      `create index audit_terms_delegation on audit_terms (delegation, seq)`,
      `create index audit_terms_policy on audit_terms (policy, seq)`,
      `create index audit_terms_client on audit_terms (client, seq)`,
      `create index audit_terms_subject on audit_terms (subject, seq)`,
      `create index audit_terms_type on audit_terms (type, seq)`,
      `create index audit_terms_occurred_at on audit_terms (occurred_at, seq)`,
      `create index audit_terms_refused on audit_terms (outcome, seq) where outcome <> 'allow'`,
    ],
  },
  {
    version: 17,
    statements: [`create index approvals_asked on approvals (kind, form, client_id, expires_at)`],
  },
  {
    version: 18,
    // By which timings the keys of an older state have signed is not known, unless it says so: those of a server that
    // was told none.
    statements: [
      `insert into settings (name, value) select 'timings', '{}'
        where exists (select 1 from keys) and not exists (select 1 from settings where name = 'timings')`,
    ],
  },
]
