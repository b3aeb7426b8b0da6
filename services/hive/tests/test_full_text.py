"""Words of everything that has texts: found from the transaction that wrote them on, and never all for want of a word."""

from __future__ import annotations

from typing import Any

import pytest
from test_analysis import WORKERS, asked, completed, delivery

from hive.analysis.reports import MAX_WORDS, storable, words
from hive.events.analysis import on_analysis


async def found(world: Any, source: str, wanted: str, client: Any = None) -> list[str]:
    steps = [{"_name": f"list{source}"}, {"_name": "filter", "_string": wanted}]
    return [one["_id"] for one in await world.query(*steps, client=client)]


@pytest.fixture
async def job(world: Any) -> dict[str, Any]:
    """A job that ended with a report, on the domain of a case."""
    await on_analysis(world.hive, delivery("worker.catalog_changed.v1", {"workers": WORKERS}, source="cortex@local"))
    observable = await world.observable((await world.case())["_id"])
    made = await asked(world, observable)
    report = {
        "whois": {"registrar": "Müller Domains GmbH", "created": 2019, "mail": "abuse@registrar.example"},
        "hits": ["quokka\0"],
    }
    await on_analysis(world.hive, delivery("analysis.completed.v1", completed(made, report=report)))
    return made


class TestReports:
    async def test_foreign_organisations_find_nothing(self, world: Any, job: dict[str, Any]) -> None:
        for wanted in ("quokka", "DomainParts", "-nothing"):
            assert await found(world, "Job", wanted, world.other) == [], wanted

    async def test_words_of_a_report_its_verdicts_and_its_analyzer(self, world: Any, job: dict[str, Any]) -> None:
        for wanted in (
            "quokka", "QUOKKA", "muller", '"domains gmbh"', "2019", "abuse@registrar.example", "registrar.example", "DomainParts",
            "malicious", "quokka AND muller", "nothing OR quokka", "quokka -nothing",
        ):  # fmt: skip
            assert await found(world, "Job", wanted) == [job["_id"]], wanted
        for wanted in ("quok", "nothing", "quokka AND nothing", "quokka -muller", '"gmbh domains"', "!!!", '"???"'):
            assert await found(world, "Job", wanted) == [], wanted
        steps = [{"_name": "listJob"}, {"_name": "filter", "_string": "quokka"}, {"_name": "observable"}]
        assert [one["data"] for one in await world.query(*steps)] == ["evil.example"]

    async def test_a_job_is_found_by_its_analyzer_before_it_ended(self, world: Any, job: dict[str, Any]) -> None:
        waiting = await asked(world, await world.observable((await world.case())["_id"]))
        assert set(await found(world, "Job", "DomainParts")) == {job["_id"], waiting["_id"]}

    async def test_a_receiver_finds_it_while_the_observable_is_shared(self, world: Any, job: dict[str, Any]) -> None:
        await world.owner.execute("INSERT INTO organisation_links (org_id, other_org_id) VALUES ($1, $2), ($2, $1)",
                                  world.organisations["soc"], world.organisations["other"])  # fmt: skip
        share = {"organisation": "other", "taskRule": "manual", "observableRule": "autoShare"}
        assert (await world.soc.post("/api/v1/case/1/shares", json={"shares": [share]})).status_code == 201
        assert await found(world, "Job", "quokka", world.other) == [job["_id"]]
        steps = [{"_name": "getCase", "idOrName": 1}, {"_name": "observables"}, {"_name": "jobs"}]
        words_of = {"_name": "filter", "_string": "quokka"}
        assert [one["_id"] for one in await world.query(*steps, words_of, client=world.other)] == [job["_id"]]
        gone = await world.soc.request("DELETE", "/api/v1/case/1/shares", json={"organisations": ["other"]})
        assert gone.status_code == 204
        assert await world.query(*steps, words_of, client=world.other) == []
        assert await found(world, "Job", "quokka", world.other) == []

    async def test_words_go_with_the_observable(self, world: Any, job: dict[str, Any]) -> None:
        (observable,) = await world.query({"_name": "listObservable"})
        assert (await world.soc.delete(f"/api/v1/observable/{observable['_id']}")).status_code == 204
        assert await found(world, "Job", "quokka") == []
        assert await world.owner.fetchval("SELECT count(*) FROM report_texts") == 0

    @pytest.mark.parametrize(
        "report",
        [
            {"text": "quokka " + "x" * 3_000_000},
            {"quokka": "quokka", "many": [chr(0x20000 + n) for n in range(60_000)]},
            {"a": "quokka", "b": ["'\\:*&|!()<->" * 2000, "\0" * 100, "\ud800".encode("utf-16", "surrogatepass").hex()]},
            {"a": "quokka", "long": [f"w{n}" * 500 for n in range(2000)]},
        ],
        ids=["one long word", "many letters", "signs", "long words"],
    )
    async def test_hostile_reports_are_kept_and_found(self, world: Any, report: dict[str, Any], job: dict[str, Any]) -> None:
        again = await asked(world, (await world.query({"_name": "listObservable"}))[0])
        await on_analysis(world.hive, delivery("analysis.completed.v1", completed(again, report=report)))
        assert again["_id"] in await found(world, "Job", "quokka")
        assert (await world.soc.get(f"/api/v1/connector/cortex/job/{again['_id']}")).status_code == 200


def test_a_report_nested_too_deep_is_cut_and_its_words_are_bounded() -> None:
    deep: Any = "bottom"
    for _ in range(900):
        deep = {"a": [deep]}
    cut = storable({"top": "quokka", "deep": deep})
    assert words(cut) == "quokka (left out: nested deeper than 100 levels)"
    assert len(words({"a": "x" * 10**6, "b": "y"})) <= MAX_WORDS
    assert words({"a": 1, "b": [True, None, "z"]}) == "1 z"


async def test_observables_are_found_by_a_part_of_their_value_and_by_the_words_of_a_named_text(world: Any) -> None:
    case = await world.case()
    first = await world.observable(case["_id"], data="evil.example", message="from the Wombat's mail")
    answer = await world.soc.post(
        f"/api/v1/case/{case['_id']}/observable",
        data={"_json": '{"dataType": "file"}'},
        files={"attachment": ("numbat report.docx", b"x")},
    )
    second = answer.json()[0]
    for wanted, expected in (
        ("evil", [first]), ("l.ex", [first]), ("100%", []), ("message:wombat", [first]), ("message:womba", []),
        ('attachment.name:"numbat report"', [second]), ("-evil", [second]),
    ):  # fmt: skip
        assert await found(world, "Observable", wanted) == [one["_id"] for one in expected], wanted
        assert await found(world, "Observable", wanted, world.other) == [], wanted


async def test_everything_else_that_has_texts(world: Any) -> None:
    """Written, changed, deleted: the next search knows."""
    alert, case = await world.alert(), await world.case()
    task = (await world.soc.post(f"/api/v1/case/{case['_id']}/task", json={"title": "plain"})).json()
    page = {"title": "plain", "content": "quokka sightings", "category": "c"}
    made = {
        "Comment": (
            "comment",
            (await world.soc.post(f"/api/v1/case/{case['_id']}/comment", json={"message": "a quokka"})).json(),
        ),
        "Page": ("case/" + case["_id"] + "/page", (await world.soc.post(f"/api/v1/case/{case['_id']}/page", json=page)).json()),
        "Log": ("log", (await world.soc.post(f"/api/v1/task/{task['_id']}/log", json={"message": "quokka!"})).json()),
    }
    in_alert = (await world.soc.post(f"/api/v1/alert/{alert['_id']}/comment", json={"message": "quokka?"})).json()
    assert set(await found(world, "Comment", "quokka")) == {made["Comment"][1]["_id"], in_alert["_id"]}
    await world.soc.delete(f"/api/v1/comment/{in_alert['_id']}")
    for source, (path, one) in made.items():
        assert await found(world, source, "quokka") == [one["_id"]], source
        assert await found(world, source, "quokka", world.other) == [], source
        assert await found(world, source, '"!"') == [], source
        field = "content" if source == "Page" else "message"
        changed = await world.soc.patch(f"/api/v1/{path}/{one['_id']}", json={field: "a wombat"})
        assert changed.status_code == 204, (source, changed.text)
        assert (await found(world, source, "quokka"), await found(world, source, "wombat")) == ([], [one["_id"]]), source
        assert (await world.soc.delete(f"/api/v1/{path}/{one['_id']}")).status_code == 204
        assert await found(world, source, "wombat") == [], source
