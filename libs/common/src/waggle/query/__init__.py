"""The search language of TheHive and Cortex: parsed into one small tree, compiled to SQL over an entity's register.

node = parse_filter({"_eq": {"_field": "tags", "_value": "phishing"}}, HIVE_V1)
statement = page_sql(Search(ALERTS, node, org=7, sort=parse_sort("-date"), limit=25), "{t}.*")
rows = await db.fetch(statement.sql, *statement.args)
"""

from __future__ import annotations

from waggle.query.ast import Node, SortKey
from waggle.query.dialect import CORTEX, HIVE_V0, HIVE_V1, Dialect
from waggle.query.lucene import SearchError
from waggle.query.parse import parse_filter
from waggle.query.pipeline import Hop, Page, Pipeline, parse_pipeline
from waggle.query.register import Bind, Entity, Field, Lookup, Relation, Side
from waggle.query.session import count_all, find_page
from waggle.query.sort import parse_sort
from waggle.query.statement import Search, Statement, count_sql, page_sql, where_sql

__all__ = [
    "CORTEX",
    "HIVE_V0",
    "HIVE_V1",
    "Bind",
    "Dialect",
    "Entity",
    "Field",
    "Hop",
    "Lookup",
    "Node",
    "Page",
    "Pipeline",
    "Relation",
    "Search",
    "SearchError",
    "Side",
    "SortKey",
    "Statement",
    "count_all",
    "count_sql",
    "find_page",
    "page_sql",
    "parse_filter",
    "parse_pipeline",
    "parse_sort",
    "where_sql",
]
