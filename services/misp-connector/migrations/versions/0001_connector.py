"""Instances and their state, events and attributes already handled, blobs, keys, audit, outbox and inbox."""

from alembic import op

from waggle.db.migrate import run_sql
from waggle.messaging.inbox import INBOX_SQL
from waggle.messaging.outbox import OUTBOX_SQL

revision = "0001"
down_revision = None

TABLES = """
CREATE TABLE instances (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('server', 'feed')),
  url text NOT NULL,
  key_sealed bytea,
  options jsonb NOT NULL,
  enabled boolean NOT NULL,
  purpose text NOT NULL CHECK (purpose IN ('ImportAndExport', 'ImportOnly', 'ExportOnly')),
  -- who may change it: the operator's settings file, or the API
  managed text NOT NULL CHECK (managed IN ('file', 'api')),
  -- whether the operator named the target: the outbound guard then allows inside addresses
  trusted boolean NOT NULL,
  created_at bigint NOT NULL,
  created_by text NOT NULL,
  updated_at bigint,
  updated_by text,
  version integer NOT NULL DEFAULT 1,
  CHECK (kind = 'feed' OR key_sealed IS NOT NULL)
);
CREATE UNIQUE INDEX instances_name ON instances (lower(name));

CREATE TABLE cursors (
  instance_id bigint PRIMARY KEY REFERENCES instances ON DELETE CASCADE,
  publish_timestamp bigint NOT NULL,
  etag text
);

CREATE TABLE instance_states (
  instance_id bigint PRIMARY KEY REFERENCES instances ON DELETE CASCADE,
  server_version text,
  role jsonb,
  last_started bigint,
  last_ok bigint,
  last_error text,
  failures integer NOT NULL DEFAULT 0,
  -- null while it is polled
  next_poll_at timestamptz,
  lease_until timestamptz,
  lease_holder uuid,
  -- the status hive was last told, so that it is told only what is new
  announced jsonb
);
CREATE INDEX instance_states_due ON instance_states (next_poll_at);

CREATE TABLE events (
  instance_id bigint NOT NULL REFERENCES instances ON DELETE CASCADE,
  uuid uuid NOT NULL,
  event_id text,
  timestamp bigint NOT NULL,
  publish_timestamp bigint NOT NULL,
  payload_hash text,
  state text NOT NULL CHECK (state IN ('seen', 'sent', 'filtered', 'failed', 'gone')),
  reason text,
  retries integer NOT NULL DEFAULT 0,
  next_retry_at timestamptz,
  -- raised by a forced re-reading: part of the message's id, so that hive does not take it for a repeat
  revision integer NOT NULL DEFAULT 0,
  PRIMARY KEY (instance_id, uuid)
);
CREATE INDEX events_retry ON events (instance_id, next_retry_at) WHERE next_retry_at IS NOT NULL;
CREATE INDEX events_number ON events (instance_id, event_id);
CREATE INDEX events_published ON events (instance_id, publish_timestamp DESC, uuid);

CREATE TABLE event_attributes (
  instance_id bigint NOT NULL,
  event_uuid uuid NOT NULL,
  uuid uuid NOT NULL,
  position integer NOT NULL,
  object_uuid uuid,
  timestamp bigint NOT NULL,
  hash text NOT NULL,
  -- identities of the observables made of it
  outputs text[] NOT NULL,
  -- why it made none
  reason text,
  removed boolean NOT NULL DEFAULT false,
  PRIMARY KEY (instance_id, event_uuid, uuid),
  FOREIGN KEY (instance_id, event_uuid) REFERENCES events ON DELETE CASCADE
);

CREATE TABLE blobs (
  sha256 bytea PRIMARY KEY,
  size bigint NOT NULL,
  named_at timestamptz NOT NULL
);
CREATE INDEX blobs_named ON blobs (named_at);

CREATE TABLE receivers (organisation text PRIMARY KEY);

CREATE TABLE api_keys (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE,
  prefix text NOT NULL,
  hash bytea NOT NULL UNIQUE,
  rights text[] NOT NULL,
  created_at bigint NOT NULL,
  last_used_at bigint
);

CREATE TABLE audit (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at bigint NOT NULL,
  request_id text NOT NULL,
  action text NOT NULL CHECK (action IN ('create', 'update', 'delete')),
  kind text NOT NULL,
  object_id text NOT NULL,
  actor text NOT NULL,
  details jsonb NOT NULL
);
CREATE INDEX audit_object ON audit (kind, object_id, id);

GRANT SELECT, INSERT, UPDATE, DELETE
  ON instances, cursors, instance_states, events, event_attributes, blobs, receivers, api_keys TO misp_app;
GRANT SELECT, INSERT ON audit TO misp_app;
-- a row lock needs UPDATE
GRANT SELECT, UPDATE, DELETE ON blobs TO misp_system;
"""


def upgrade() -> None:
    logins = {"app": "misp_app", "system": "misp_system"}
    run_sql(op, TABLES + OUTBOX_SQL.format(**logins) + INBOX_SQL.format(**logins))
