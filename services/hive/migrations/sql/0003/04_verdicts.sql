-- A verdict line as people read and search it.
ALTER TABLE verdicts ADD COLUMN label text GENERATED ALWAYS AS (namespace || ':' || predicate || '="' || value || '"') STORED;
CREATE INDEX verdicts_taxonomy ON verdicts (namespace, predicate, level);
