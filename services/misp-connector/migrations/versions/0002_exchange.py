"""Exports of cases, with what MISP holds of each."""

from alembic import op

from waggle.db.migrate import run_sql

revision = "0002"
down_revision = "0001"

TABLES = """
CREATE TABLE exports (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  instance_id bigint NOT NULL REFERENCES instances ON DELETE CASCADE,
  organisation text NOT NULL,
  case_id text NOT NULL,
  state text NOT NULL CHECK (state IN ('waiting', 'done', 'failed')),
  -- the newest request: which document, and how to answer it; another one meanwhile has a higher revision
  revision integer NOT NULL DEFAULT 1,
  case_ref jsonb NOT NULL,
  publish boolean,
  message_id uuid NOT NULL,
  requested_at bigint NOT NULL,
  requested_by text,
  -- where it went; known before MISP is first asked to store anything
  event_uuid uuid,
  event_id text,
  strategy text CHECK (strategy IN ('create', 'edit', 'extend')),
  -- columns and tags of the event as they were last sent
  sent jsonb,
  published boolean NOT NULL DEFAULT false,
  finished_at bigint,
  last_error text,
  attempts integer NOT NULL DEFAULT 0,
  next_at timestamptz,
  lease_until timestamptz,
  lease_holder uuid,
  UNIQUE (instance_id, organisation, case_id)
);
CREATE INDEX exports_due ON exports (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX exports_event ON exports (event_uuid);

CREATE TABLE export_attributes (
  export_id bigint NOT NULL REFERENCES exports ON DELETE CASCADE,
  -- as MISP has it: ours, or that of an attribute that was there before
  attribute_uuid uuid NOT NULL,
  observables text[] NOT NULL,
  hash text NOT NULL,
  -- null while nobody knows whether MISP stored it
  result text CHECK (result IN ('created', 'updated', 'unchanged', 'rejected')),
  reason text,
  -- no longer wanted, and treated as the instance's settings say
  withdrawn boolean NOT NULL DEFAULT false,
  PRIMARY KEY (export_id, attribute_uuid)
);
CREATE INDEX export_attributes_uuid ON export_attributes (attribute_uuid);

-- organisations that hive says it does not have
CREATE TABLE unknown_receivers (organisation text PRIMARY KEY, told_at bigint NOT NULL);

-- the alert an event went into: another instance's, where both fold what has one uuid
ALTER TABLE events ADD COLUMN alert_source text, ADD COLUMN alert_ref text;
CREATE INDEX events_uuid ON events (uuid) WHERE alert_source IS NOT NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON exports, export_attributes, unknown_receivers TO misp_app;
"""


def upgrade() -> None:
    run_sql(op, TABLES)
