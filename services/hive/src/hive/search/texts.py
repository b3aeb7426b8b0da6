"""Where the words and patterns of a search are looked up (domain model §2.8, §2.9).

The operators of full text and ILIKE cannot use an index behind row-level security. These conditions go through views that belong
to the owner and carry the organisation themselves; the row that is shown still passes its own policy.
"""

from __future__ import annotations

from waggle.query import Field, Lookup

# As it is and with punctuation turned to blanks, as texts are indexed: `search_document` in the first migration.
_QUERY = "(phraseto_tsquery('hive', {value}) || phraseto_tsquery('hive', regexp_replace({value}, '[^[:alnum:]]+', ' ', 'g')))"
ALERT_WORDS = Lookup(
    "{t}.id", f"SELECT x.alert_id FROM alert_search x WHERE x.kind = 'alert' AND x.document @@ {_QUERY}", alone=True
)
ALERT_TITLE = Lookup("{t}.id", "SELECT x.alert_id FROM alert_search x WHERE x.kind = 'alert' AND x.title ILIKE {value}")
CASE_WORDS = Lookup("{t}.id", f"SELECT x.case_id FROM case_search x WHERE x.kind = 'case' AND x.document @@ {_QUERY}")
CASE_TITLE = Lookup("{t}.id", "SELECT x.case_id FROM case_search x WHERE x.kind = 'case' AND x.title ILIKE {value}")
PART_WORDS = Lookup("{t}.id", f"SELECT x.entity_id FROM case_search x WHERE x.document @@ {_QUERY}")
COMMENT_WORDS = Lookup(
    "{t}.id",
    f"SELECT x.entity_id FROM case_search x WHERE x.kind = 'comment' AND x.document @@ {_QUERY}"
    f" UNION ALL SELECT x.entity_id FROM alert_search x WHERE x.kind = 'comment' AND x.document @@ {_QUERY}",
)
REPORT_WORDS = Lookup("{t}.id", f"SELECT x.job_id FROM report_search x WHERE x.document @@ {_QUERY}")
VALUES = Lookup("{t}.value_key", "SELECT x.value_key FROM value_search x WHERE x.data ILIKE {value}")
# A part of the value, as it stands: indicators have no words.
VALUE_PARTS = Lookup(
    "{t}.value_key",
    "SELECT x.value_key FROM value_search x WHERE x.data ILIKE"
    " '%' || replace(replace(replace({value}, '\\', '\\\\'), '%', '\\%'), '_', '\\_') || '%'",
)


def prose(column: str, *, words: Lookup, like: Lookup | None = None) -> Field:
    """A text whose words are indexed together with others': the index finds the candidates."""
    return Field(f"{{t}}.{column}", match=words, like=like)
