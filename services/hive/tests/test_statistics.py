"""Figures for dashboards: the `aggregation` step at the end of a v1 query."""

from __future__ import annotations

from typing import Any

import pytest

from hive.search import groups, rows

DAY = 86_400_000


def by(field: str, **more: Any) -> dict[str, Any]:
    return {"_name": "aggregation", "_agg": "field", "_field": field, **more}


async def counted(world: Any, source: str, *steps: dict[str, Any], client: Any = None) -> Any:
    return await world.query({"_name": source}, *steps, client=client)


@pytest.fixture
async def filled(world: Any) -> list[dict[str, Any]]:
    """Six alerts on three days, two of them closed after a minute and after three; a case with two observables, ended."""
    made = [
        await world.alert(
            sourceRef=str(n),
            severity=n % 3 + 1,
            date=DAY * (n % 3) + 5,
            tags=["all", f"t{n}"],
            source="mail" if n else "siem",
            observables=[{"dataType": "ip", "data": f"192.0.2.{n}"}],
        )
        for n in range(6)
    ]
    await world.owner.execute(
        "UPDATE alerts SET in_progress_date = new_date + 60000 * (CASE source_ref WHEN '1' THEN 1 ELSE 3 END)"
        " WHERE source_ref IN ('1', '2')"
    )
    case = await world.case(tags=["x"])
    await world.observable(case["_id"], data=["a.example", "b.example"])
    await world.owner.execute("UPDATE cases SET end_date = created_at + 5000")
    return made


@pytest.mark.usefixtures("filled")
class TestAccess:
    async def test_anonymous_and_foreign_people_count_nothing(self, world: Any) -> None:
        body = {"query": [{"_name": "listAlert"}, by("source")]}
        assert (await world.anonymous.post("/api/v1/query", json=body)).status_code == 401
        assert await counted(world, "listAlert", by("source"), client=world.other) == {}
        count = {"_name": "aggregation", "_agg": "count"}
        assert await counted(world, "listObservable", count, client=world.other) == {"count": 0}
        body = {"query": [{"_name": "listCase"}, by("status")]}
        await world.owner.execute("UPDATE api_keys SET org_id = NULL WHERE prefix = 'key-ad'")
        visiting = world.client("key-admin-admin", **{"X-Organisation": "soc"})
        assert (await visiting.post("/api/v1/query", json=body)).status_code == 403

    async def test_row_level_security_holds_alone(self, world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        from waggle.query.compiler import Compiler

        monkeypatch.setattr(Compiler, "scope", lambda self: [])
        for source in ("listAlert", "listObservable", "listTask", "listLog"):
            assert await counted(world, source, by("_createdBy"), client=world.other) == {}, source


@pytest.mark.usefixtures("filled")
class TestFigures:
    async def test_counts_and_top_values(self, world: Any) -> None:
        assert await counted(world, "listAlert", {"_name": "aggregation", "_agg": "count"}) == {"count": 6}
        assert await counted(world, "listAlert", by("source")) == {"mail": {"count": 5}, "siem": {"count": 1}}
        top = await counted(world, "listAlert", by("tags", _size=2))
        assert list(top.items()) == [("all", {"count": 6}), ("t0", {"count": 1})]
        least = await counted(world, "listAlert", by("source", _order="_count", _size=1))
        assert least == {"siem": {"count": 1}}
        mean = {"_agg": "avg", "_field": "severity", "_name": "mean"}
        worst = await counted(world, "listAlert", by("source", _order="-mean", _size=1, _select=[mean]))
        assert worst == {"mail": {"mean": 2.2}}
        named = await counted(world, "listAlert", by("severityLabel", _order="-severityLabel", _size=2))
        assert list(named) == ["MEDIUM", "LOW"]

    async def test_the_first_groups_are_right_however_they_are_split(self, world: Any) -> None:
        days = {"_agg": "time", "_fields": ["date"], "_interval": "1d", "_name": "d"}
        found = await counted(world, "listAlert", by("tags", _order="-count", _size=1, _select=[days]))
        assert found == {"all": {str(DAY * n): {"d": {"count": 2}} for n in range(3)}}
        inner = {"_agg": "field", "_field": "severity", "_order": "-severity", "_size": 1}
        nested = await counted(world, "listAlert", by("source", _select=[inner]))
        assert nested == {"mail": {"3": {"count": 2}}, "siem": {"1": {"count": 1}}}

    async def test_series_and_mean_times(self, world: Any) -> None:
        means = [{"_agg": "count"}, {"_agg": "avg", "_field": "timeToTriage"}]
        series = {"_name": "aggregation", "_agg": "time", "_fields": ["date"], "_interval": "1d", "_select": means}
        found = await counted(world, "listAlert", series)
        assert found == {
            "0": {"date": {"count": 2, "avg_timeToTriage": None}},
            str(DAY): {"date": {"count": 2, "avg_timeToTriage": 60000}},
            str(2 * DAY): {"date": {"count": 2, "avg_timeToTriage": 180000}},
        }
        handled = {"_name": "aggregation", "_agg": "avg", "_field": "handlingDuration"}
        assert await counted(world, "listCase", handled) == {"avg_handlingDuration": 5000}

    async def test_what_is_shown_is_what_is_counted(self, world: Any, filled: list[dict[str, Any]]) -> None:
        """Key figures of the query language are those of the objects."""
        for source in ("listAlert", "listCase"):
            shown = await counted(world, source, {"_name": "page", "from": 0, "to": 10})
            for name in ("timeToDetect", "timeToTriage", "timeToQualify", "timeToAcknowledge"):
                values = [one[name] for one in shown if name in one]
                found = await counted(world, source, {"_name": "aggregation", "_agg": "sum", "_field": name})
                assert found == {f"sum_{name}": sum(values) if values else None}, (source, name)

    async def test_filters_related_lists_and_categories(self, world: Any) -> None:
        steps = [{"_name": "filter", "_eq": {"_field": "source", "_value": "mail"}}, by("severity")]
        assert await counted(world, "listAlert", *steps) == {"1": {"count": 1}, "2": {"count": 2}, "3": {"count": 2}}
        assert await counted(world, "listCase", {"_name": "observables"}, by("dataType")) == {"domain": {"count": 2}}
        relative = {"_gt": {"_field": "_createdAt", "_value": {"amount": 1, "unit": "days", "look": "behind"}}}
        split = {"_name": "aggregation", "_agg": "category", "_categories": {"new": relative, "old": {"_not": relative}}}
        assert await counted(world, "listAlert", split) == {"new": {"count": 6}, "old": {"count": 0}}

    async def test_every_list_can_be_counted(self, world: Any) -> None:
        from hive.search.pipeline import SOURCES

        for source in SOURCES:
            found = await counted(world, f"list{source}", by("_id", _size=3))
            assert len(found) <= 3 and all(group == {"count": 1} for group in found.values()), source


@pytest.mark.usefixtures("filled")
class TestRefused:
    async def test_what_is_no_aggregation(self, world: Any) -> None:
        count = {"_name": "aggregation", "_agg": "count"}
        for steps in (
            [by("nothing")], [{"_name": "aggregation"}], [{"_name": "aggregation", "_agg": "median"}], [by("source", _size=-1)],
            [{"_name": "page", "from": 0, "to": 1}, count], [count, {"_name": "page", "from": 0, "to": 1}], [count, count],
            [count, {"_name": "count"}], [count, {"_name": "filter", "_eq": {"_field": "source", "_value": "x"}}],
            [by("source", _select=[{"_agg": "sum", "_field": "title"}])], [by("source", _order=[1])],
            [{"_name": "aggregation", "_agg": "time", "_fields": ["title"]}],
            [{"_name": "aggregation", "_agg": "time", "_fields": ["date"], "_interval": "0d"}],
        ):  # fmt: skip
            answer = await world.soc.post("/api/v1/query", json={"query": [{"_name": "listAlert"}, *steps]})
            assert answer.status_code == 400 and answer.json()["message"], steps

    async def test_too_many_groups_are_an_error_and_no_wrong_answer(self, world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(groups, "MAX_GROUPS", 5)
        monkeypatch.setattr("hive.search.statistics.MAX_GROUPS", 5)
        answer = await world.soc.post("/api/v1/query", json={"query": [{"_name": "listAlert"}, by("tags")]})
        assert answer.status_code == 400 and "_size" in answer.json()["message"]
        assert len(await counted(world, "listAlert", by("tags", _size=3))) == 3

    async def test_beyond_the_time_limit(self, world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rows, "SECONDS", 0.0)
        answer = await world.soc.post("/api/v1/query", json={"query": [{"_name": "listAlert"}, by("tags")]})
        assert (answer.status_code, answer.json()["type"]) == (408, "SearchError")
