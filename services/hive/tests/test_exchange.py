"""Observables out and in: plain, CSV, MISP's freetext form, STIX 2.1 (checked by OASIS' own library), free text."""

from __future__ import annotations

import json
from typing import Any

import pytest
import stix2

VALUES = [
    ("url", "http://a.example/x?q=1"), ("domain", "evil.example"), ("fqdn", "www.evil.example"), ("ip", "192.0.2.7"),
    ("ip", "2001:db8::7"), ("mail", "joe@evil.example"), ("hash", "d41d8cd98f00b204e9800998ecf8427e"), ("hash", "ab" * 32),
    ("filename", "inv'oice.exe"), ("registry", "HKLM\\Software\\x"), ("autonomous-system", "AS64500"),
]  # fmt: skip
MORE = [("user-agent", "curl/8"), ("mail-subject", 'Your; "invoice"'), ("other", "=cmd|x")]  # no STIX objects
FORMATS = ("txt", "csv", "misp", "stix")
HOSTILE = ("\x00\x01\x02", chr(0x1F600) * 50, "<script>alert(1)</script>", '"' * 999, "[" * 5000, "=;=" * 99, "\r\n" * 9)


async def filled(world: Any, values: list[tuple[str, str]], **more: Any) -> dict[str, Any]:
    case = await world.case()
    for data_type, data in values:
        await world.observable(case["_id"], dataType=data_type, data=data, **more)
    return dict(case)


async def values_of(world: Any, kind: str, reference: str) -> list[dict[str, Any]]:
    return list(await world.query({"_name": f"get{kind}", "idOrName": reference}, {"_name": "observables"}))


class TestExport:
    async def test_access(self, world: Any) -> None:
        case, alert = await world.case(), await world.alert()
        for path in (f"case/{case['_id']}", f"alert/{alert['_id']}"):
            for client, code in ((world.anonymous, 401), (world.other, 404), (world.reader, 200)):
                assert (await client.get(f"/api/v1/{path}/observable/_export")).status_code == code

    async def test_of_a_selection(self, world: Any) -> None:
        case = await filled(world, VALUES)
        path = f"/api/v1/case/{case['_id']}/observable/_export"
        by_type = await world.soc.get(path, params={"format": "txt", "protect": "false", "dataType": ["ip", "mail"]})
        assert by_type.text.split() == ["192.0.2.7", "2001:db8::7", "joe@evil.example"]
        ids = [one["_id"] for one in await values_of(world, "Case", case["_id"]) if one["data"].startswith("www")]
        assert (await world.soc.get(path, params={"format": "txt", "id": ids})).text == "www.evil.example\n"
        assert (await world.soc.get(path, params={"id": "x"})).status_code == 400

    async def test_more_than_a_batch(self, world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hive.observables.export.AT_ONCE", 2)
        alert = await world.alert(observables=[{"dataType": "ip", "data": f"192.0.2.{n}"} for n in range(5)])
        for form in ("txt", "stix"):
            answer = await world.soc.get(f"/api/v1/alert/{alert['_id']}/observable/_export?protect=0&format={form}")
            assert [answer.text.count(f"192.0.2.{n}") for n in range(5)] == [1] * 5
        assert answer.headers["content-disposition"].startswith(f'attachment; filename="alert-{alert["_id"][1:]}')

    async def test_stix_is_what_the_standard_says(self, world: Any) -> None:
        case = await filled(world, VALUES + MORE, ioc=True, tlp=3, tags=["apt"], message="seen")
        made = await world.soc.post(
            f"/api/v1/case/{case['_id']}/observable", data={"_json": json.dumps({"dataType": "file", "ioc": True})},
            files={"attachment": ("a.exe", b"MZ")},
        )  # fmt: skip
        sha256 = made.json()[0]["attachment"]["hashes"][0]
        path = f"/api/v1/case/{case['_id']}/observable/_export?format=stix"
        answer = await world.soc.get(path)
        assert answer.headers["content-type"] == "application/stix+json;version=2.1"
        bundle = stix2.parse(answer.text, allow_custom=False)
        assert (await world.soc.get(path)).text == answer.text
        kinds = [one.type for one in bundle.objects]
        assert (kinds.count("indicator"), kinds.count("marking-definition")) == (len(VALUES) + 1, 5)
        patterns = [one.pattern for one in bundle.objects if one.type == "indicator"]
        assert "[url:value = 'http://a.example/x?q=1']" in patterns
        assert "[file:name = 'inv\\'oice.exe']" in patterns
        assert any(f"file:hashes.'SHA-256' = '{sha256}'" in one for one in patterns)
        indicator = next(one for one in bundle.objects if one.type == "indicator")
        assert (indicator.description, indicator.labels) == ("seen", ["apt"])
        assert indicator.object_marking_refs == ["marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003"]
        theirs = stix2.DomainName(value="evil.example")
        assert theirs.id in [one.id for one in bundle.objects]
        assert stix2.AutonomousSystem(number=64500).id in [one.id for one in bundle.objects]
        assert stix2.IPv4Address(value="192.0.2.7").id in [one.id for one in bundle.objects]


class TestImport:
    async def test_access(self, world: Any) -> None:
        case, alert = await world.case(), await world.alert()
        for path in (f"case/{case['_id']}", f"alert/{alert['_id']}"):
            for client, code in ((world.anonymous, 401), (world.reader, 403), (world.other, 404)):
                answer = await client.post(f"/api/v1/{path}/observable/_import", json={"text": "evil.example"})
                assert answer.status_code == code

    @pytest.mark.parametrize("form", FORMATS)
    @pytest.mark.parametrize("protect", ["true", "false"])
    async def test_of_what_was_exported(self, world: Any, form: str, protect: str) -> None:
        case = await filled(world, VALUES)
        export = await world.soc.get(f"/api/v1/case/{case['_id']}/observable/_export?format={form}&protect={protect}")
        again = await world.case(title="Again")
        answer = await world.soc.post(
            f"/api/v1/case/{again['_id']}/observable/_import", json={"format": form, "text": export.text}
        )
        assert answer.status_code == 201, answer.text
        assert sorted((o["dataType"], o["data"]) for o in answer.json()) == sorted(VALUES)

    @pytest.mark.parametrize("form", ["csv", "misp"])
    async def test_of_odd_values(self, world: Any, form: str) -> None:
        case = await filled(world, MORE)
        export = await world.soc.get(f"/api/v1/case/{case['_id']}/observable/_export?format={form}")
        again = await world.case()
        answer = await world.soc.post(
            f"/api/v1/case/{again['_id']}/observable/_import", json={"format": form, "text": export.text}
        )
        assert [(o["dataType"], o["data"]) for o in answer.json()] == MORE

    async def test_of_a_report_with_what_holds_for_all(self, world: Any) -> None:
        alert = await world.alert(observables=[{"dataType": "domain", "data": "evil.example"}])
        body = {"text": "c2 EVIL[.]example and 192.0.2[.]9", "tags": ["report"], "tlp": 1, "ioc": True}
        answer = await world.soc.post(f"/api/v1/alert/{alert['_id']}/observable/_import", json=body)
        assert answer.status_code == 207
        (made,) = answer.json()["success"]
        assert (made["data"], made["tags"], made["tlpLabel"], made["ioc"]) == ("192.0.2.9", ["report"], "GREEN", True)
        assert [one["object"]["data"] for one in answer.json()["failure"]] == ["EVIL.example"]
        assert (await world.soc.get(f"/api/v1/alert/{alert['_id']}")).json()["observableCount"] == 2

    async def test_of_stix_made_elsewhere(self, world: Any) -> None:
        indicator = stix2.Indicator(
            name="two", pattern_type="stix", description="from afar",
            pattern="[domain-name:value = 'a.example' OR ipv4-addr:value = '192.0.2.1']"
            " AND [file:hashes.MD5 = '" + "a" * 32 + "']",
            object_marking_refs=[stix2.TLP_RED],
        )  # fmt: skip
        bundle = stix2.Bundle(indicator, stix2.URL(value="http://b.example/"), stix2.DomainName(value="a.example")).serialize()
        case = await world.case()
        answer = await world.soc.post(
            f"/api/v1/case/{case['_id']}/observable/_import", data={"_json": json.dumps({"format": "stix", "tlp": 0})},
            files={"attachment": ("bundle.json", bundle.encode())},
        )  # fmt: skip
        assert [(o["dataType"], o["data"], o["ioc"], o["tlpLabel"], o.get("message")) for o in answer.json()] == [
            ("domain", "a.example", True, "RED", "from afar"), ("ip", "192.0.2.1", True, "RED", "from afar"),
            ("hash", "a" * 32, True, "RED", "from afar"), ("url", "http://b.example/", False, "CLEAR", None),
        ]  # fmt: skip

    async def test_of_types_that_are_not_known(self, world: Any) -> None:
        case = await world.case()
        text = "jarm;2ad2\nfile;a.exe|" + "ab" * 32 + "\nmail;joe[at]evil[.]example\nonly one cell\n;\n"
        answer = await world.soc.post(f"/api/v1/case/{case['_id']}/observable/_import", json={"format": "csv", "text": text})
        assert [(o["dataType"], o["data"], o["tags"]) for o in answer.json()] == [
            ("other", "2ad2", ["type:jarm"]), ("hash", "ab" * 32, []), ("mail", "joe@evil.example", []),
        ]  # fmt: skip

    @pytest.mark.parametrize(
        "body",
        [
            {"format": "stix", "text": "{}"}, {"format": "stix", "text": "["}, {"format": "stix", "text": '{"objects": 1}'}, {},
            {"format": "pdf", "text": "x"}, {"text": "x", "tlp": 5}, {"text": 1},
            {"format": "txt", "text": "\n".join(f"h{n}.example" for n in range(10_001))},
        ],
    )  # fmt: skip
    async def test_that_is_refused(self, world: Any, body: dict[str, Any]) -> None:
        case = await world.case()
        assert (await world.soc.post(f"/api/v1/case/{case['_id']}/observable/_import", json=body)).status_code == 400
        assert await values_of(world, "Case", case["_id"]) == []

    async def test_a_hostile_corpus(self, world: Any) -> None:
        case = await world.case()
        path = f"/api/v1/case/{case['_id']}/observable/_import"
        for form in (*FORMATS, "freetext"):
            for text in HOSTILE:
                answer = await world.soc.post(path, json={"format": form, "text": text})
                assert answer.status_code < 500, (form, text[:20])
        assert (await world.soc.get(f"/api/v1/case/{case['_id']}/observable/_export")).status_code == 200
