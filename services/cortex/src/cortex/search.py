"""The classic search language (contracts/cortex.md §2.12) over an entity's fields, as SQL with named parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from waggle.errors import WaggleError
from waggle.web.paging import Page

Kind = Literal["text", "list", "number", "uuid"]
UUID_HEX = re.compile(r"[0-9a-f]{32}")
MAX_DEPTH = 30
COMPARISONS = {"_gt": ">", "_gte": ">=", "_lt": "<", "_lte": "<="}


class SearchError(WaggleError):
    """A query that is not one, or names a field that is not there."""

    type = "SearchError"


@dataclass(frozen=True, slots=True)
class Column:
    """How a field of the API is found: its SQL expression and what is compared.

    `equal` makes the condition for an equal value where an index needs more than the expression; it gets `bind` and the value.
    """

    sql: str
    kind: Kind = "text"
    equal: Callable[[Callable[[Any], str], str], str] | None = None


@dataclass(frozen=True, slots=True)
class Register:
    """An entity's searchable fields by name. `key` is the id's column and the last word on the order; `order` the default one."""

    table: str
    key: str
    columns: dict[str, Column]
    order: str
    kind: str


@dataclass(slots=True)
class _Compiler:
    register: Register
    parameters: dict[str, Any] = field(default_factory=dict)

    def bind(self, value: Any) -> str:
        name = f"q{len(self.parameters)}"
        self.parameters[name] = value
        return f":{name}"

    def column(self, name: Any) -> Column:
        found = self.register.columns.get(name) if isinstance(name, str) else None
        if found is None:
            raise SearchError(f"unknown field {name}; there are {', '.join(sorted(self.register.columns))}")
        return found

    def value(self, column: Column, value: Any) -> Any:
        """The value as the column stores it; None where no row can have it."""
        if column.kind == "uuid":
            return value.lower() if isinstance(value, str) and UUID_HEX.fullmatch(value.lower()) else None
        if column.kind == "number":
            if isinstance(value, str) and value.lstrip("-").isdigit():
                value = int(value)
            if isinstance(value, bool) or not isinstance(value, int | float):
                return None
            return value if abs(value) < 2**62 else None
        if isinstance(value, str | int | float):
            return str(value).replace("\0", "\ufffd")
        return None

    def equals(self, name: Any, value: Any) -> str:
        column = self.column(name)
        if value is None:
            return f"({column.sql}) IS NULL"
        stored = self.value(column, value)
        if stored is None:
            return "false"
        if column.kind == "list":
            return f"({column.sql}) @> ARRAY[CAST({self.bind(stored)} AS text)]"
        if column.equal is not None:
            return column.equal(self.bind, stored)
        return f"({column.sql}) = {self.cast(column, stored)}"

    def cast(self, column: Column, stored: Any) -> str:
        if column.kind == "number":
            return f"CAST({self.bind(float(stored))} AS float8)"
        if column.kind == "uuid":
            return f"CAST({self.bind(stored)} AS uuid)"
        return f"CAST({self.bind(stored)} AS text)"

    def compare(self, name: Any, operator: str, value: Any) -> str:
        column = self.column(name)
        stored = self.value(column, value)
        if stored is None or column.kind == "list":
            raise SearchError(f"{name} cannot be compared with {value!r}")
        return f"({column.sql}) {operator} {self.cast(column, stored)}"

    def pattern(self, name: Any, value: Any, *, wildcard: bool) -> str:
        column = self.column(name)
        if not isinstance(value, str):
            raise SearchError(f"a text is needed to search in {name}")
        escaped = value.replace("\0", "").replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        like = escaped.replace("*", "%").replace("?", "_") if wildcard else f"%{escaped}%"
        bound = self.bind(like)
        if column.kind == "list":
            return f"EXISTS (SELECT FROM unnest({column.sql}) AS item WHERE item ILIKE {bound})"
        return f"CAST(({column.sql}) AS text) ILIKE {bound}"

    def compile(self, query: Any, depth: int = 0) -> str:
        if depth > MAX_DEPTH:
            raise SearchError("the query is nested too deeply")
        if query is None:
            return "true"
        if not isinstance(query, dict):
            raise SearchError("a query is an object")
        if not query or "_any" in query:
            return "true"
        if "_field" in query and "_value" in query:
            return self.equals(query["_field"], query["_value"])
        if len(query) != 1:
            raise SearchError(f"a query has one key, not {', '.join(sorted(map(str, query)))}")
        ((operator, operand),) = query.items()
        if operator in ("_and", "_or"):
            if not isinstance(operand, list):
                raise SearchError(f"{operator} takes a list of queries")
            parts = [self.compile(part, depth + 1) for part in operand]
            joined = (" AND " if operator == "_and" else " OR ").join(f"({part})" for part in parts)
            return joined or ("true" if operator == "_and" else "false")
        if operator == "_not":
            return f"NOT coalesce(({self.compile(operand, depth + 1)}), false)"
        if operator in COMPARISONS:
            return self._comparison(operator, operand)
        if operator.startswith("_"):
            return self._operator(operator, operand)
        return self.equals(operator, operand)

    def _comparison(self, operator: str, operand: Any) -> str:
        if not isinstance(operand, dict) or len(operand) != 1:
            raise SearchError(f"{operator} takes one field and its value")
        ((name, value),) = operand.items()
        return self.compare(name, COMPARISONS[operator], value)

    def _operator(self, operator: str, operand: Any) -> str:
        if operator == "_contains":
            return f"({self.column(operand).sql}) IS NOT NULL"
        if operator == "_id":
            return self.equals("id", operand)
        if operator == "_type":
            return "true" if operand == self.register.kind else "false"
        if operator == "_string" and operand in ("", "*", "*:*"):
            return "true"
        if operator in ("_between", "_in", "_like", "_wildcard") and isinstance(operand, dict) and "_field" in operand:
            name = operand["_field"]
            if operator == "_in" and isinstance(operand.get("_values"), list):
                parts = [f"({self.equals(name, value)})" for value in operand["_values"]]
                return " OR ".join(parts) or "false"
            if operator == "_between":
                low, high = operand.get("_from"), operand.get("_to")
                return f"{self.compare(name, '>', low)} AND {self.compare(name, '<', high)}"
            if operator in ("_like", "_wildcard"):
                return self.pattern(name, operand.get("_value"), wildcard=operator == "_wildcard")
        raise SearchError(f"the search operator {operator} is not known, or its operand is wrong")

    def order_by(self, order: Sequence[str]) -> str:
        parts = []
        for entry in order:
            direction, name = ("DESC", entry[1:]) if entry.startswith("-") else ("ASC", entry.removeprefix("+").strip())
            parts.append(f"{self.column(name).sql} {direction} NULLS LAST")
        return ", ".join([*(parts or [self.register.order]), self.register.key])


async def search_ids(
    session: AsyncSession, register: Register, *, query: Any, page: Page, order: Sequence[str], base: str = "true", **given: Any
) -> tuple[list[Any], int]:
    """Keys of the page's rows, in order, and how many match in all. `base` is a condition of ours with its parameters `given`."""
    compiler = _Compiler(register)
    where = f"({base}) AND ({compiler.compile(query)})"
    parameters = {**compiler.parameters, **given}
    total = (await session.execute(text(f"SELECT count(*) FROM {register.table} WHERE {where}"), parameters)).scalar_one()
    if total == 0 or page.offset >= total:
        return [], total
    limit = "" if page.limit is None else f" LIMIT {page.limit}"
    statement = f"SELECT {register.key} FROM {register.table} WHERE {where} ORDER BY {compiler.order_by(order)}"
    rows = await session.execute(text(f"{statement}{limit} OFFSET {page.offset}"), parameters)
    return list(rows.scalars()), total
