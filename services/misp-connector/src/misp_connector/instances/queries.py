"""The SQL of instances."""

from __future__ import annotations

from sqlalchemy import text

_COLUMNS = (
    "i.id, i.name, i.kind, i.url, i.key_sealed, i.options, i.enabled, i.purpose, i.managed, i.trusted, i.version,"
    " s.server_version, s.role, s.last_started, s.last_ok, s.last_error, s.failures,"
    " CAST(extract(epoch FROM s.next_poll_at) * 1000 AS bigint) AS next_poll,"
    " coalesce(s.lease_until > now(), false) AS polling, s.announced, c.publish_timestamp AS cursor,"
    " (SELECT count(*) FROM events e WHERE e.instance_id = i.id AND e.next_retry_at IS NOT NULL) AS retrying,"
    " ARRAY(SELECT u.organisation FROM unknown_receivers u WHERE lower(u.organisation) IN (SELECT lower(named) FROM"
    " jsonb_array_elements_text(coalesce(nullif(i.options -> 'organisations', '[]'),"
    " (SELECT jsonb_agg(r.organisation) FROM receivers r), '[]')) AS named) ORDER BY 1) AS unknown_organisations"
)
_FROM = " FROM instances i JOIN instance_states s ON s.instance_id = i.id LEFT JOIN cursors c ON c.instance_id = i.id"

ALL = text(f"SELECT {_COLUMNS}{_FROM} ORDER BY lower(i.name)")
BY_NAME = text(f"SELECT {_COLUMNS}{_FROM} WHERE lower(i.name) = lower(:name)")
BY_NAME_LOCKED = text(f"SELECT {_COLUMNS}{_FROM} WHERE lower(i.name) = lower(:name) FOR UPDATE OF i")
BY_ID = text(f"SELECT {_COLUMNS}{_FROM} WHERE i.id = :id")

INSERT = text(
    "INSERT INTO instances (name, kind, url, key_sealed, options, enabled, purpose, managed, trusted, created_at, created_by)"
    " VALUES (:name, :kind, :url, :key_sealed, CAST(:options AS jsonb), :enabled, :purpose, :managed, :trusted, :now, :actor)"
    " ON CONFLICT (lower(name)) DO NOTHING RETURNING id"
)
INSERT_STATE = text("INSERT INTO instance_states (instance_id, next_poll_at) VALUES (:id, now() + make_interval(secs => :delay))")
UPDATE = text(
    "UPDATE instances SET url = :url, key_sealed = :key_sealed, options = CAST(:options AS jsonb), enabled = :enabled,"
    " purpose = :purpose, managed = :managed, trusted = :trusted, updated_at = :now, updated_by = :actor, version = version + 1"
    " WHERE id = :id"
)
DELETE = text("DELETE FROM instances WHERE id = :id")

# a poll that runs loses its lease, ends at its next step, and the new settings are read by the next poll
POLL_NOW = text(
    "UPDATE instance_states SET next_poll_at = now(), failures = 0, lease_until = NULL, lease_holder = NULL"
    " WHERE instance_id = :id"
)
POLL_SOON = text("UPDATE instance_states SET next_poll_at = now() WHERE instance_id = :id")
READ_AGAIN = text(
    "UPDATE events SET state = 'seen', revision = revision + 1, retries = 0, next_retry_at = NULL"
    " WHERE instance_id = :id AND publish_timestamp >= :since"
)
FILTER_AGAIN = text("UPDATE events SET state = 'seen' WHERE instance_id = :id AND state = 'filtered'")
MOVE_CURSOR_BACK = text(
    "UPDATE cursors SET publish_timestamp = least(publish_timestamp, :since), etag = NULL WHERE instance_id = :id"
)
UNKNOWN_RECEIVER = text(
    "INSERT INTO unknown_receivers (organisation, told_at) VALUES (:organisation, :now) ON CONFLICT DO NOTHING"
)
KNOWN_RECEIVERS = text("DELETE FROM unknown_receivers")
ANNOUNCED = text("UPDATE instance_states SET announced = CAST(:announced AS jsonb) WHERE instance_id = :id")
