"""The database `bus`: its tables, and the functions through which alone the services reach them.

A service's login owns nothing here and may touch no table. Each function runs as the schema's owner and first looks up what
the login that called it may do (`session_user`), from rows that `install` writes out of `waggle.messaging.rights`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import asyncpg

from waggle.contracts.envelope import MESSAGE_LIMIT
from waggle.contracts.messages.base import Service
from waggle.messaging.policy import DELIVERY_LIMIT, DELIVERY_LIMIT_REASON
from waggle.messaging.rights import rights_of, topic_regex

CHANNEL: Final = "waggle_bus"
"""NOTIFY channel; the payload is the name of a queue that got something to do."""

_LOCK: Final = 0x57A6B05

# fillfactor and autovacuum: rows live for milliseconds, and the claim must not wade through dead ones.
TABLES: Final = f"""
CREATE SCHEMA IF NOT EXISTS bus;
REVOKE ALL ON SCHEMA bus FROM PUBLIC;
CREATE TABLE IF NOT EXISTS bus.logins (
  login name PRIMARY KEY,
  queue_prefix text NOT NULL,
  publishes text NOT NULL,
  receives text NOT NULL
);
CREATE TABLE IF NOT EXISTS bus.bindings (
  pattern text,
  queue text,
  regex text,
  PRIMARY KEY (pattern, queue)
);
CREATE TABLE IF NOT EXISTS bus.messages (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  queue text NOT NULL,
  message_id uuid NOT NULL,
  body text NOT NULL CHECK (octet_length(body) <= {MESSAGE_LIMIT}),
  visible_at timestamptz NOT NULL DEFAULT now(),
  attempt int NOT NULL DEFAULT 1,
  deliveries int NOT NULL DEFAULT 0,
  lease uuid
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500,
        autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX IF NOT EXISTS messages_due ON bus.messages (queue, visible_at, id);
CREATE TABLE IF NOT EXISTS bus.dead (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  queue text NOT NULL,
  message_id uuid NOT NULL,
  body text NOT NULL,
  attempts int NOT NULL,
  reason text NOT NULL,
  died_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS dead_by_queue ON bus.dead (queue, id);
"""

RIGHTS: Final = """
CREATE OR REPLACE FUNCTION bus.me() RETURNS bus.logins LANGUAGE plpgsql STABLE SET search_path = bus, pg_temp AS $$
DECLARE found bus.logins;
BEGIN
  SELECT * INTO found FROM logins WHERE login = session_user;
  IF found IS NULL THEN
    RAISE insufficient_privilege USING MESSAGE = format('%s has no rights on the bus', session_user);
  END IF;
  RETURN found;
END $$;

CREATE OR REPLACE FUNCTION bus.check_queue(wanted text) RETURNS void LANGUAGE plpgsql STABLE
SET search_path = bus, pg_temp AS $$
BEGIN
  IF NOT starts_with(wanted, (me()).queue_prefix || '.') THEN
    RAISE insufficient_privilege USING MESSAGE = format('%s may not use the queue %s', session_user, wanted);
  END IF;
END $$;
"""

PUBLISH: Final = f"""
CREATE OR REPLACE FUNCTION bus.declare_queue(name text, patterns text[]) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = bus, pg_temp AS $$
DECLARE refused text;
BEGIN
  PERFORM check_queue(name);
  SELECT p INTO refused FROM unnest(patterns) p WHERE p !~ (me()).receives LIMIT 1;
  IF refused IS NOT NULL THEN
    RAISE insufficient_privilege USING MESSAGE = format('%s may not receive %s', session_user, refused);
  END IF;
  INSERT INTO bindings (pattern, queue, regex)
  SELECT p, name, CASE WHEN p ~ '[*#]' THEN
      '^' || replace(replace(replace(p, '.', '\\.'), '*', '[^.]+'), '\\.#', '(\\.[^.]+)*') || '$' END
  FROM unnest(patterns) p ON CONFLICT DO NOTHING;
END $$;

CREATE OR REPLACE FUNCTION bus.publish(ids uuid[], keys text[], bodies text[], musts boolean[]) RETURNS uuid[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = bus, pg_temp AS $$
DECLARE refused text; reached text[]; lost uuid[];
BEGIN
  SELECT k INTO refused FROM unnest(keys) k WHERE k !~ (me()).publishes LIMIT 1;
  IF refused IS NOT NULL THEN
    RAISE insufficient_privilege USING MESSAGE = format('%s may not publish %s', session_user, refused);
  END IF;
  WITH routes AS MATERIALIZED (
    SELECT DISTINCT k.key, b.queue FROM (SELECT DISTINCT key FROM unnest(keys) key) k
    JOIN bindings b ON b.pattern = k.key OR k.key ~ b.regex),
  items AS MATERIALIZED (SELECT * FROM unnest(ids, keys, bodies, musts) WITH ORDINALITY AS i (id, key, body, must, n)),
  put AS (
    INSERT INTO messages (queue, message_id, body)
    SELECT r.queue, i.id, i.body FROM items i JOIN routes r USING (key) ORDER BY i.n RETURNING queue)
  SELECT (SELECT array_agg(DISTINCT queue) FROM put),
         (SELECT array_agg(i.id) FROM items i WHERE i.must AND NOT EXISTS (SELECT FROM routes r WHERE r.key = i.key))
  INTO reached, lost;
  PERFORM pg_notify('{CHANNEL}', q) FROM unnest(reached) q;
  RETURN coalesce(lost, '{{}}');
END $$;
"""

CONSUME: Final = f"""
CREATE OR REPLACE FUNCTION bus.claim(wanted text, most int, seconds float8)
RETURNS TABLE (message bigint, token uuid, content text, try int) LANGUAGE plpgsql
SECURITY DEFINER SET search_path = bus, pg_temp AS $$
DECLARE mine uuid := gen_random_uuid();
BEGIN
  PERFORM check_queue(wanted);
  RETURN QUERY
  WITH due AS MATERIALIZED (
    SELECT m.id, m.deliveries > {DELIVERY_LIMIT} AS over FROM messages m
    WHERE m.queue = wanted AND m.visible_at <= now() ORDER BY m.visible_at, m.id LIMIT most FOR UPDATE SKIP LOCKED),
  crashed AS (
    DELETE FROM messages m USING due WHERE m.id = due.id AND due.over RETURNING m.queue, m.message_id, m.body, m.attempt),
  buried AS (
    INSERT INTO dead (queue, message_id, body, attempts, reason)
    SELECT c.queue, c.message_id, c.body, c.attempt, '{DELIVERY_LIMIT_REASON}' FROM crashed c)
  UPDATE messages m
  SET visible_at = clock_timestamp() + make_interval(secs => seconds), deliveries = m.deliveries + 1, lease = mine
  FROM due WHERE m.id = due.id AND NOT due.over
  RETURNING m.id, mine, m.body, m.attempt;
END $$;

CREATE OR REPLACE FUNCTION bus.ack(wanted text, ids bigint[], leases uuid[]) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = bus, pg_temp AS $$
BEGIN
  PERFORM check_queue(wanted);
  DELETE FROM messages m USING unnest(ids, leases) AS d (id, lease)
  WHERE m.id = d.id AND m.lease = d.lease AND m.queue = wanted;
END $$;

CREATE OR REPLACE FUNCTION bus.retry(wanted text, ids bigint[], leases uuid[], delays float8[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = bus, pg_temp AS $$
BEGIN
  PERFORM check_queue(wanted);
  UPDATE messages m SET visible_at = clock_timestamp() + make_interval(secs => d.delay),
    attempt = m.attempt + 1, deliveries = 0, lease = NULL
  FROM unnest(ids, leases, delays) AS d (id, lease, delay)
  WHERE m.id = d.id AND m.lease = d.lease AND m.queue = wanted;
END $$;

CREATE OR REPLACE FUNCTION bus.bury(wanted text, ids bigint[], leases uuid[], reasons text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = bus, pg_temp AS $$
BEGIN
  PERFORM check_queue(wanted);
  WITH gone AS (
    DELETE FROM messages m USING unnest(ids, leases, reasons) AS d (id, lease, reason)
    WHERE m.id = d.id AND m.lease = d.lease AND m.queue = wanted
    RETURNING m.queue, m.message_id, m.body, m.attempt, d.reason)
  INSERT INTO dead (queue, message_id, body, attempts, reason)
  SELECT g.queue, g.message_id, g.body, g.attempt, g.reason FROM gone g;
END $$;

CREATE OR REPLACE FUNCTION bus.extend(wanted text, ids bigint[], leases uuid[], seconds float8) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = bus, pg_temp AS $$
BEGIN
  PERFORM check_queue(wanted);
  UPDATE messages m SET visible_at = clock_timestamp() + make_interval(secs => seconds)
  FROM unnest(ids, leases) AS d (id, lease)
  WHERE m.id = d.id AND m.lease = d.lease AND m.queue = wanted;
END $$;

CREATE OR REPLACE FUNCTION bus.release(wanted text, ids bigint[], leases uuid[]) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = bus, pg_temp AS $$
BEGIN
  PERFORM check_queue(wanted);
  UPDATE messages m SET visible_at = now(), deliveries = m.deliveries - 1, lease = NULL
  FROM unnest(ids, leases) AS d (id, lease)
  WHERE m.id = d.id AND m.lease = d.lease AND m.queue = wanted;
  PERFORM pg_notify('{CHANNEL}', wanted);
END $$;
"""

# A function's columns cannot be replaced: one of an older version goes first.
LOOK_AFTER: Final = f"""
DROP FUNCTION IF EXISTS bus.depth(text);
CREATE FUNCTION bus.depth(wanted text) RETURNS TABLE (ready bigint, delayed bigint, dead bigint, leased bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = bus, pg_temp AS $$
BEGIN
  PERFORM check_queue(wanted);
  RETURN QUERY SELECT
    (SELECT count(*) FROM messages m WHERE m.queue = wanted AND m.visible_at <= now()),
    (SELECT count(*) FROM messages m WHERE m.queue = wanted AND m.visible_at > now() AND m.lease IS NULL),
    (SELECT count(*) FROM dead d WHERE d.queue = wanted),
    (SELECT count(*) FROM messages m WHERE m.queue = wanted AND m.visible_at > now() AND m.lease IS NOT NULL);
END $$;

CREATE OR REPLACE FUNCTION bus.dead_letters(wanted text, most int) RETURNS SETOF bus.dead LANGUAGE plpgsql
SECURITY DEFINER SET search_path = bus, pg_temp AS $$
BEGIN
  PERFORM check_queue(wanted);
  RETURN QUERY SELECT * FROM dead d WHERE d.queue = wanted ORDER BY d.id LIMIT most;
END $$;

CREATE OR REPLACE FUNCTION bus.resend(wanted text, wanted_id uuid) RETURNS boolean LANGUAGE plpgsql
SECURITY DEFINER SET search_path = bus, pg_temp AS $$
DECLARE sent bigint;
BEGIN
  PERFORM check_queue(wanted);
  WITH risen AS (
    DELETE FROM dead WHERE id = (
      SELECT d.id FROM dead d WHERE d.queue = wanted AND d.message_id = wanted_id
      ORDER BY d.id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING queue, message_id, body),
  put AS (INSERT INTO messages (queue, message_id, body) SELECT queue, message_id, body FROM risen RETURNING id)
  SELECT count(*) INTO sent FROM put;
  PERFORM pg_notify('{CHANNEL}', wanted);
  RETURN sent > 0;
END $$;
"""

_PRIVATE: Final = ("me", "check_queue")


async def install(owner_url: str, service_roles: Mapping[str, Service]) -> None:
    """Makes or renews the schema and the rights of the logins (`{"bus_hive": "hive", …}`), which must exist.

    Idempotent, and safe to call from several processes at once. `owner_url` is the login that shall own the schema; it must
    not be one of the services' logins.
    """
    owner = await asyncpg.connect(owner_url)
    try:
        async with owner.transaction():
            await owner.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            await owner.execute("SET LOCAL client_min_messages = warning")
            await owner.execute(TABLES + RIGHTS + PUBLISH + CONSUME + LOOK_AFTER)
            await owner.execute("REVOKE ALL ON ALL FUNCTIONS IN SCHEMA bus FROM PUBLIC")
            await owner.execute("DELETE FROM bus.logins WHERE NOT login::text = ANY($1)", list(service_roles))
            for login, service in service_roles.items():
                await _grant(owner, login, service)
    finally:
        await owner.close()


async def _grant(owner: asyncpg.Connection, login: str, service: Service) -> None:
    rights = rights_of(service)
    await owner.execute(
        "INSERT INTO bus.logins (login, queue_prefix, publishes, receives) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (login) DO UPDATE SET queue_prefix = $2, publishes = $3, receives = $4",
        login,
        rights.queue_prefix,
        topic_regex(rights.publishes),
        topic_regex(rights.receives),
    )
    role = await owner.fetchval("SELECT quote_ident($1)", login)
    database = await owner.fetchval("SELECT quote_ident(current_database())")
    await owner.execute(f"GRANT CONNECT ON DATABASE {database} TO {role}; GRANT USAGE ON SCHEMA bus TO {role}")
    await owner.execute(f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA bus TO {role}")
    for name in _PRIVATE:
        await owner.execute(f"REVOKE ALL ON FUNCTION bus.{name} FROM {role}")
