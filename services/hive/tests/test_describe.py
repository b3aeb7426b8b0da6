"""What the API says about its own lists is what its queries do."""

from __future__ import annotations

from typing import Any

import pytest

SAMPLES: dict[str, Any] = {"string": "x", "number": 1, "date": 1, "duration": 1, "boolean": True, "id": "~1", "user": "x"}


def sample(attribute: dict[str, Any]) -> Any:
    return attribute["values"][0] if attribute["values"] else SAMPLES[attribute["type"]]


def filtered(name: str, operator: str, value: Any) -> dict[str, Any]:
    match operator:
        case "_has":
            return {"_has": name}
        case "_in":
            return {"_in": {"_field": name, "_values": [value]}}
        case "_between":
            return {"_between": {"_field": name, "_from": value, "_to": value}}
    return {operator: {"_field": name, "_value": value}}


async def test_strangers_are_told_nothing(world: Any) -> None:
    assert (await world.anonymous.get("/api/v1/describe/_all")).status_code == 401
    assert (await world.anonymous.get("/api/v1/describe/alert")).status_code == 401


async def test_one_model_with_its_custom_fields_and_statuses(world: Any) -> None:
    await world.owner.execute(
        "INSERT INTO custom_fields (name, display_name, field_group, description, type, options, created_at, created_by)"
        " VALUES ('unit', 'Business unit', 'g', 'd', 'string', '[\"IT\", \"HR\"]', 1, 't')"
    )
    world.hive.catalogues.forget()
    answer = await world.reader.get("/api/v1/describe/case")
    assert answer.status_code == 200
    found = {one["name"]: one for one in answer.json()["attributes"]}
    assert found["customFields.unit"]["values"] == ["IT", "HR"] and found["customFields.unit"]["description"] == "Business unit"
    assert found["severity"]["labels"] == ["LOW", "MEDIUM", "HIGH", "CRITICAL"]
    assert "TruePositive" in found["status"]["values"] and found["status"]["type"] == "enumeration"
    assert found["tags"]["several"] and "_like" in found["title"]["operators"] and "_like" not in found["severity"]["operators"]
    assert [found[name]["type"] for name in ("startDate", "timeToResolve", "_createdBy", "flag")] == [
        "date", "duration", "user", "boolean",
    ]  # fmt: skip
    assert (await world.reader.get("/api/v1/describe/nothing")).status_code == 404


@pytest.mark.timeout(240)
async def test_every_operator_said_is_one_the_query_takes(world: Any) -> None:
    """Per model one query with every field under every operator; sorted by every field, ten at a time."""
    models = (await world.soc.get("/api/v1/describe/_all")).json()
    assert {"alert", "case", "task", "log", "observable", "job", "caseTemplate", "page", "audit"} <= models.keys()
    for model, shown in models.items():
        every = [filtered(one["name"], operator, sample(one)) for one in shown["attributes"] for operator in one["operators"]]
        answer = await world.soc.post(
            "/api/v1/query", json={"query": [{"_name": shown["list"]}, {"_name": "filter", "_or": every}]}
        )
        assert answer.status_code == 200, (model, answer.text)
        names = [one["name"] for one in shown["attributes"]]
        for start in range(0, len(names), 10):
            await world.query(
                {"_name": shown["list"]}, {"_name": "sort", "_fields": [f"-{n}" for n in names[start : start + 10]]}
            )


async def test_what_an_object_shows_is_what_it_can_be_searched_by(world: Any) -> None:
    """Every plain field of every output (hive-v1 §4.4)."""
    from typing import get_args, get_type_hints

    from hive.search.outputs import OUTPUTS

    # the same for every object, of the caller, or a content hash
    elsewhere = {"_type", "userPermissions", "operations", "avatar", "patternType", "path", "consumesLicense", "hasMFA"}
    models = (await world.soc.get("/api/v1/describe/_all")).json()
    missing = []
    for shown in models.values():
        known = {one["name"] for one in shown["attributes"]}
        for name, hint in get_type_hints(OUTPUTS[shown["label"]]).items():
            plain = hint in (str, int, bool, float) or hint == list[str] or any(isinstance(a, str) for a in get_args(hint))
            if plain and name not in elsewhere and name not in known:
                missing.append(f"{shown['label']}.{name}")
    assert " ".join(missing) == ""
