"""Where the words and patterns of a search are looked up (domain model §2.8, §2.9).

The operators of full text and ILIKE cannot use an index behind row-level security. These conditions go through views that belong
to the owner and carry the organisation themselves; the row that is shown still passes its own policy.
"""

from __future__ import annotations

from waggle.query import Field

# As it is and with punctuation turned to blanks, as texts are indexed: `search_document` in the first migration.
_QUERY = "(phraseto_tsquery('hive', {value}) || phraseto_tsquery('hive', regexp_replace({value}, '[^[:alnum:]]+', ' ', 'g')))"
ALERT_WORDS = f"{{t}}.id IN (SELECT x.alert_id FROM alert_search x WHERE x.kind = 'alert' AND x.document @@ {_QUERY})"
ALERT_TITLE = "{t}.id IN (SELECT x.alert_id FROM alert_search x WHERE x.kind = 'alert' AND x.title ILIKE {value})"
CASE_WORDS = f"{{t}}.id IN (SELECT x.case_id FROM case_search x WHERE x.kind = 'case' AND x.document @@ {_QUERY})"
CASE_TITLE = "{t}.id IN (SELECT x.case_id FROM case_search x WHERE x.kind = 'case' AND x.title ILIKE {value})"
PART_WORDS = f"{{t}}.id IN (SELECT x.entity_id FROM case_search x WHERE x.document @@ {_QUERY})"
VALUES = "{t}.value_key IN (SELECT x.value_key FROM value_search x WHERE x.data ILIKE {value})"


def prose(column: str, *, words: str, like: str | None = None) -> Field:
    """A text whose words are indexed together with others': the index finds the candidates."""
    return Field(f"{{t}}.{column}", match=words, like=like)
