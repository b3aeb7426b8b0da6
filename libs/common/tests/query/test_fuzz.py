"""Whatever JSON arrives, the answer is a statement or a BadRequest."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from waggle.errors import BadRequest
from waggle.query import CORTEX, HIVE_V0, HIVE_V1, Dialect, Search, count_sql, page_sql, parse_filter, parse_pipeline, parse_sort

from .sample import ALERTS

NAMES = st.sampled_from([*ALERTS.fields, "customFields.affected-hosts", "nosuch", "", "_field"])
OPERATORS = st.sampled_from(sorted(HIVE_V0.operators | HIVE_V1.operators | {"_and", "_or", "_not", "_any", "_odd"}))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12)
KEYS = (
    st.sampled_from(["_field", "_value", "_values", "_from", "_to", "_type", "_query", "_id", "amount", "unit"])
    | OPERATORS
    | NAMES
)
JSON = st.recursive(
    SCALARS | NAMES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
)
COMPARED = st.fixed_dictionaries({"_field": NAMES, "_value": JSON})
FILTERS = JSON | st.dictionaries(OPERATORS, COMPARED | JSON, min_size=1, max_size=1)


@settings(max_examples=400, deadline=None)
@given(expression=FILTERS, dialect=st.sampled_from([HIVE_V0, HIVE_V1, CORTEX]), sort=JSON)
def test_filters_and_sorts(expression: Any, dialect: Dialect, sort: Any) -> None:
    try:
        node = parse_filter(expression, dialect)
        search = Search(ALERTS, node, org=7, sort=parse_sort(sort), limit=10, coerces=dialect.coerces)
        for statement in (page_sql(search, "{t}.id"), count_sql(search)):
            for number in range(1, len(statement.args) + 1):
                assert f"${number}::" in statement.sql
            assert f"${len(statement.args) + 1}::" not in statement.sql
    except BadRequest as refusal:
        assert refusal.message


@settings(max_examples=300, deadline=None)
@given(text=st.text(alphabet='ab:"()[]TO*?-+\\ !&|0NRD', max_size=30))
def test_search_texts(text: str) -> None:
    try:
        page_sql(Search(ALERTS, parse_filter({"_string": text}, HIVE_V0), coerces=True), "{t}.id")
    except BadRequest as refusal:
        assert refusal.message


@settings(max_examples=200, deadline=None)
@given(
    steps=JSON
    | st.lists(st.fixed_dictionaries({"_name": st.sampled_from(["listAlert", "filter", "sort", "page", "count"])}), max_size=4)
)
def test_pipelines(steps: Any) -> None:
    try:
        assert parse_pipeline(steps).hops
    except BadRequest as refusal:
        assert refusal.message
