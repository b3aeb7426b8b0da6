CREATE TABLE organisations (
  id bigint PRIMARY KEY DEFAULT nextval('entity_id'),
  name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 64),
  description text NOT NULL,
  task_rule text NOT NULL DEFAULT 'manual' CHECK (task_rule IN ('manual', 'autoShare')),
  observable_rule text NOT NULL DEFAULT 'manual' CHECK (observable_rule IN ('manual', 'autoShare')),
  locked boolean NOT NULL DEFAULT false,
  created_at bigint NOT NULL, created_by text NOT NULL, updated_at bigint, updated_by text, version integer NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX organisations_name ON organisations (lower(name));

CREATE TABLE profiles (
  id bigint PRIMARY KEY DEFAULT nextval('entity_id'),
  name text NOT NULL UNIQUE CHECK (char_length(name) BETWEEN 1 AND 64),
  kind text NOT NULL CHECK (kind IN ('Organisation', 'Admin', 'External')),
  permissions text[] NOT NULL DEFAULT '{}',
  editable boolean NOT NULL DEFAULT true,
  created_at bigint NOT NULL, created_by text NOT NULL, updated_at bigint, updated_by text, version integer NOT NULL DEFAULT 1
);

CREATE TABLE users (
  id bigint PRIMARY KEY DEFAULT nextval('entity_id'),
  login text NOT NULL UNIQUE CHECK (login = lower(login)),
  name text NOT NULL,
  email text,
  kind text NOT NULL DEFAULT 'Normal' CHECK (kind IN ('Normal', 'Service', 'External')),
  password_hash text,
  locked boolean NOT NULL DEFAULT false,
  default_org_id bigint REFERENCES organisations ON DELETE SET NULL,
  credentials_epoch integer NOT NULL DEFAULT 0,
  created_at bigint NOT NULL, created_by text NOT NULL, updated_at bigint, updated_by text, version integer NOT NULL DEFAULT 1
);
COMMENT ON COLUMN users.credentials_epoch IS 'raised by a password change, a lock and a removed key: empties verification caches';

CREATE TABLE memberships (
  user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
  org_id bigint NOT NULL REFERENCES organisations ON DELETE CASCADE,
  profile_id bigint NOT NULL REFERENCES profiles,
  position integer NOT NULL DEFAULT 0,
  PRIMARY KEY (user_id, org_id)
);
CREATE INDEX memberships_org ON memberships (org_id);

CREATE TABLE api_keys (
  id bigint PRIMARY KEY DEFAULT nextval('entity_id'),
  user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
  org_id bigint REFERENCES organisations ON DELETE CASCADE,
  name text NOT NULL,
  prefix text NOT NULL,
  hash bytea NOT NULL UNIQUE,
  sealed bytea,
  last_used_at timestamptz,
  created_at bigint NOT NULL, created_by text NOT NULL
);
CREATE INDEX api_keys_user ON api_keys (user_id);
COMMENT ON COLUMN api_keys.sealed IS 'only of keys made by the classic key/renew routes, which read a key back';
COMMENT ON COLUMN api_keys.org_id IS 'null: any organisation of the user';

CREATE TABLE sessions (
  id_hash bytea PRIMARY KEY,
  user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
  org_id bigint NOT NULL REFERENCES organisations ON DELETE CASCADE,
  credentials_epoch integer NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  seen_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  address text NOT NULL,
  agent text NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- A bucket of log-in attempts per account and per address; lost in a crash, which is fine.
CREATE UNLOGGED TABLE login_attempts (
  key text PRIMARY KEY,
  tokens double precision NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now()
);
