-- One organisation's history: {alerts} alerts with nine observables each, {cases} cases with five each, over one year.
-- Everything follows from the row's number, so two loads of one size are the same. Run as superuser: foreign keys are not
-- checked, indexes are made afterwards.
CREATE TEMP TABLE pick AS
SELECT (SELECT id FROM organisations WHERE name = 'bench') AS org,
       (SELECT id FROM profiles WHERE name = 'org-admin') AS profile,
       ARRAY['external', 'phishing', 'malware', 'intrusion', 'policy'] AS types,
       ARRAY['siem', 'ids', 'mail-gateway', 'edr', 'proxy', 'misp', 'dlp', 'honeypot'] AS sources,
       ARRAY['phishing', 'apt', 'ransomware', 'vip', 'triage:auto', 'ttp:T1566', 'ttp:T1059', 'site:paris', 'site:lyon',
             'site:berlin', 'campaign:north', 'campaign:south', 'botnet', 'c2', 'scanner', 'exfiltration'] AS tags,
       ARRAY['beacon', 'login', 'payload', 'macro', 'tunnel', 'scan', 'dropper', 'lateral', 'invoice', 'credential', 'proxy',
             'kerberos', 'webshell', 'injection', 'overflow', 'backup'] AS words,
       ARRAY['finance', 'sales', 'research', 'plant', 'board', 'it'] AS units;
-- A number from 0 on below the limit, the same for the same row and salt.
CREATE FUNCTION pg_temp.n(bigint, bigint, bigint) RETURNS bigint LANGUAGE sql IMMUTABLE
  AS $$ SELECT (hashint8extended($1, $2) & 9007199254740991) % $3 $$;

INSERT INTO users (id, login, name, created_at, created_by)
SELECT 9000000 + i, 'analyst' || i || '@bench.example', 'Analyst ' || i, 1, 'bench' FROM generate_series(1, 20) i;
INSERT INTO memberships (user_id, org_id, profile_id) SELECT u.id, org, profile FROM users u, pick WHERE u.id > 9000000;
INSERT INTO custom_fields (name, display_name, field_group, description, type, created_at, created_by) VALUES
  ('business-unit', 'Business unit', 'default', '', 'string', 1, 'bench'), ('score', 'Score', 'default', '', 'integer', 1, 'bench');

CREATE TEMP TABLE c AS
SELECT i, 10000000 + i AS id, 1760000000000 - 31536000000 * ({cases} - i) / {cases} AS at,
       words[1 + pg_temp.n(i, 11, 16)] || ' ' || words[1 + pg_temp.n(i, 12, 16)] || ' at ' || units[1 + pg_temp.n(i, 13, 6)] || ' ' || i AS title,
       'Investigation of ' || words[1 + pg_temp.n(i, 14, 16)] || ' and ' || words[1 + pg_temp.n(i, 15, 16)] AS description,
       1 + pg_temp.n(i, 16, 4) AS severity, pg_temp.n(i, 17, 100) AS state, pg_temp.n(i, 18, 30) AS person,
       ARRAY(SELECT DISTINCT tags[1 + pg_temp.n(i, 20 + k, 16)] FROM generate_series(1, 3) k) AS tags,
       CASE WHEN pg_temp.n(i, 30, 10) < 3 THEN units[1 + pg_temp.n(i, 31, 6)] END AS unit, org, profile
FROM generate_series(1, {cases}) i, pick;
INSERT INTO cases (id, org_id, title, description, severity, tlp, pap, start_date, end_date, status, stage, assignee_id, tags,
  custom_fields, new_date, created_at, created_by)
SELECT id, org, title, description, severity, (ARRAY['CLEAR', 'GREEN', 'AMBER', 'RED'])[1 + i % 4], 'AMBER', at,
  CASE WHEN state >= 20 THEN at + 86400000 END,
  CASE WHEN state < 5 THEN 'New' WHEN state < 20 THEN 'InProgress' WHEN state < 70 THEN 'TruePositive' ELSE 'FalsePositive' END,
  CASE WHEN state < 5 THEN 'New' WHEN state < 20 THEN 'InProgress' ELSE 'Closed' END,
  CASE WHEN person > 0 AND person <= 20 THEN 9000000 + person END, tags,
  CASE WHEN unit IS NULL THEN '[]' ELSE jsonb_build_array(jsonb_build_object('id', 20000000 + i, 'name', 'business-unit',
    'type', 'string', 'value', unit, 'order', 0)) END, at, at, 'analyst1@bench.example' FROM c ORDER BY i;
INSERT INTO case_shares (id, case_id, org_id, owner, profile_id, start_date) SELECT 30000000 + i, id, org, true, profile, at FROM c;
INSERT INTO case_tags (org_id, tag, date, case_id) SELECT org, unnest(tags), at, id FROM c;
INSERT INTO case_fields (id, org_id, field_no, case_id, key, value, date)
SELECT 20000000 + i, org, f.field_no, c.id, unit, to_jsonb(unit), at FROM c, custom_fields f
WHERE unit IS NOT NULL AND f.name = 'business-unit';
INSERT INTO case_texts (entity_id, kind, case_id, org_id, title, document)
SELECT id, 'case', id, org, title, case_document(title, description, NULL, tags) FROM c;

CREATE TEMP TABLE a AS
SELECT i, 100000000 + i AS id, 1760000000000 - 31536000000 * ({alerts} - i) / {alerts} AS at,
       types[1 + pg_temp.n(i, 41, 5)] AS type, sources[1 + pg_temp.n(i, 42, 8)] AS source,
       words[1 + pg_temp.n(i, 43, 16)] || ' ' || words[1 + pg_temp.n(i, 44, 16)] || ' on host-' || pg_temp.n(i, 45, 4096) AS title,
       'Sensor ' || pg_temp.n(i, 46, 64) || ' reported ' || words[1 + pg_temp.n(i, 47, 16)] || ', ' || words[1 + pg_temp.n(i, 48, 16)]
         || ' and ' || words[1 + pg_temp.n(i, 49, 16)] || ' in segment ' || pg_temp.n(i, 50, 1000) || ', ticket TCK-' || i AS description,
       1 + pg_temp.n(i, 51, 4) AS severity, pg_temp.n(i, 52, 100) AS state, pg_temp.n(i, 53, 60) AS person,
       ARRAY(SELECT DISTINCT tags[1 + pg_temp.n(i, 60 + k, 16)] FROM generate_series(1, 3) k) AS tags,
       CASE WHEN pg_temp.n(i, 70, 10) < 3 THEN units[1 + pg_temp.n(i, 71, 6)] END AS unit, org
FROM generate_series(1, {alerts}) i, pick;
INSERT INTO alerts (id, org_id, type, source, source_ref, title, description, severity, tlp, pap, date, status, stage, read, case_id,
  assignee_id, tags, custom_fields, observable_count, new_date, imported_date, created_at, created_by)
SELECT id, org, type, source, 'ref-' || i, title, description, severity, (ARRAY['CLEAR', 'GREEN', 'AMBER', 'RED'])[1 + i % 4], 'AMBER', at,
  CASE WHEN state < 25 THEN 'New' WHEN state < 30 THEN 'InProgress' WHEN state < 40 THEN 'Imported' WHEN state < 90 THEN 'Ignored' ELSE 'FalsePositive' END,
  CASE WHEN state < 25 THEN 'New' WHEN state < 30 THEN 'InProgress' WHEN state < 40 THEN 'Imported' ELSE 'Closed' END,
  state >= 30, CASE WHEN state BETWEEN 30 AND 39 THEN 10000001 + pg_temp.n(i, 72, {cases}) END,
  CASE WHEN person > 0 AND person <= 20 THEN 9000000 + person END, tags,
  CASE WHEN unit IS NULL THEN '[]' ELSE jsonb_build_array(jsonb_build_object('id', 300000000 + i, 'name', 'business-unit',
    'type', 'string', 'value', unit, 'order', 0)) END,
  9, at, CASE WHEN state BETWEEN 30 AND 39 THEN at END, at, 'feeder@bench.example' FROM a ORDER BY i;
INSERT INTO alert_tags (org_id, tag, date, alert_id) SELECT org, unnest(tags), at, id FROM a;
INSERT INTO alert_fields (id, org_id, field_no, alert_id, key, value, date)
SELECT 300000000 + i, org, f.field_no, a.id, unit, to_jsonb(unit), at FROM a, custom_fields f
WHERE unit IS NOT NULL AND f.name = 'business-unit';
INSERT INTO alert_texts (entity_id, kind, alert_id, org_id, title, document)
SELECT id, 'alert', id, org, title, alert_document(title, description, source, type, 'ref-' || i, tags) FROM a;

-- Seven in ten values are seen once, the others come from ever smaller and busier sets.
CREATE TEMP TABLE o AS
SELECT o.*, CASE o.kind WHEN 0 THEN 'ip' WHEN 1 THEN 'domain' WHEN 2 THEN 'url' WHEN 3 THEN 'hash' ELSE 'mail' END AS data_type,
  CASE o.kind
    WHEN 0 THEN (1 + v % 223) || '.' || (v / 223 % 256) || '.' || (v / 57088 % 256) || '.' || (v / 14614528 % 254 + 1)
    WHEN 1 THEN 'host' || v || '.example' || v % 97 || '.net'
    WHEN 2 THEN 'https://www.example' || v % 97 || '.com/a/' || v || '/index.php?id=' || v % 1013
    WHEN 3 THEN encode(sha256(v::text::bytea), 'hex')
    ELSE 'user' || v || '@example' || v % 97 || '.org' END AS data
FROM (
  SELECT p.org, p.alert_id, p.case_id, p.at, p.r, 400000000 + p.r AS id, pg_temp.n(p.r, 80, 5) AS kind,
    CASE WHEN pg_temp.n(p.r, 81, 100) < 70 THEN 100000000 + p.r WHEN pg_temp.n(p.r, 81, 100) < 95 THEN pg_temp.n(p.r, 82, 1000000)
         WHEN pg_temp.n(p.r, 81, 100) < 99 THEN pg_temp.n(p.r, 83, 20000) ELSE pg_temp.n(p.r, 84, 50) END AS v
  FROM (SELECT org, id AS alert_id, NULL::bigint AS case_id, at, (i - 1) * 9 + k AS r FROM a, generate_series(1, 9) k
        UNION ALL
        SELECT org, NULL, id, at, 9 * {alerts} + (i - 1) * 5 + k FROM c, generate_series(1, 5) k) p) o;
INSERT INTO observables (id, org_id, alert_id, case_id, data_type, data, value_key, tlp, ioc, sighted, sighted_at, tags, message, created_at,
  created_by)
SELECT id, org, alert_id, case_id, data_type, data, encode(substring(sha256(convert_to(data, 'UTF8')) FOR 16), 'hex')::uuid,
  (ARRAY['CLEAR', 'GREEN', 'AMBER', 'RED'])[1 + r % 4], r % 3 = 0, r % 50 = 0, CASE WHEN r % 50 = 0 THEN at END,
  CASE WHEN r % 3 = 0 THEN ARRAY[(SELECT tags[1 + pg_temp.n(r, 85, 16)] FROM pick)] ELSE '{{}}' END, 'seen by the sensor', at, 'feeder@bench.example'
FROM (SELECT DISTINCT ON (coalesce(alert_id, case_id), data_type, data) * FROM o) o;
INSERT INTO observable_tags (org_id, tag, created_at, observable_id)
SELECT org_id, unnest(tags), created_at, id FROM observables WHERE tags <> '{{}}';
INSERT INTO observable_values (org_id, value_key, data)
SELECT DISTINCT ON (value_key) org_id, value_key, data FROM observables WHERE data IS NOT NULL ORDER BY value_key;
SELECT setval('entity_id', 2000000000);
