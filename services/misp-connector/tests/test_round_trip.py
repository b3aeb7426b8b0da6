"""An event is imported, its alert becomes a case, the case is exported to a second server and imported there by another
connector: nothing that MISP can hold is lost on the way, and nothing comes twice."""

from __future__ import annotations

import base64
import io
import json
import os
import zipfile
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from misp_double import ROLE, MispDouble
from misp_double_rules import Bad, stored_form
from misp_harness import MIGRATIONS, Connector, Exporting, poller_of, settings_for

from misp_connector.mapping.observables import TAG_LENGTH
from misp_connector.receivers.service import set_default_receivers
from misp_connector.runtime import open_runtime
from waggle.db import Scope
from waggle.testing import MakeDatabase

ROOT = Path(__file__).resolve().parents[3]
SHARED = Path(os.environ.get("WAGGLE_SHARED") or ROOT.parent / "shared")
FILES = sorted((SHARED / "data" / "misp-events").glob("*.json"))
EVERYTHING = {
    "context_attributes": "import", "export_scope": "all", "export_case_tags": True, "export_observable_tags": True,
    "export_publish": True, "max_attachment_size": 20 << 20,
}  # fmt: skip


@pytest_asyncio.fixture
async def elsewhere(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Connector]:
    """The connector of another installation."""
    database = await make_database("misp", migrations=MIGRATIONS)
    runtime = open_runtime(settings_for(database, tmp_path / "elsewhere"))
    async with runtime.database.begin(Scope()) as session:
        await set_default_receivers(session, organisations=["soc"], actor="test")
    yield Connector(runtime, poller_of(runtime), database)
    await runtime.stop()


def packed(name: str, content: bytes) -> str:
    """As MISP packs a sample; nothing in it is encrypted."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("0" * 32, content)
        archive.writestr("0" * 32 + ".filename.txt", name)
    return base64.b64encode(target.getvalue()).decode()


def many_shapes() -> dict[str, Any]:
    network, delivery = "Network activity", "Payload delivery"
    loose = [
        ("ip-dst", network, "203.0.113.7", True), ("ip-src", network, "203.0.113.8", False),
        ("domain", network, "a.example", True), ("xmr", "Financial fraud", "4x", True),
        ("hostname", network, "www.a.example", True), ("domain|ip", network, "b.example|203.0.113.9", True),
        ("ip-dst|port", network, "203.0.113.7|443", True), ("hostname|port", network, "www.a.example|8080", True),
        ("url", network, "http://a.example/x?y=1", True), ("uri", network, "/gate.php", True), ("AS", network, "64496", False),
        ("ip-dst", network, "198.51.100.0/24", True), ("ip-dst", network, "2001:db8::1", True),
        ("filename|sha256", delivery, f"in|voice.exe|{'a' * 64}", True),
        ("filename|md5", delivery, f"in|voice.exe|{'b' * 32}", True),
        ("md5", delivery, "b" * 32, True), ("sha1", delivery, "c" * 40, False), ("ssdeep", delivery, "3:abc:def", True),
        ("email-src", delivery, "x@a.example", True), ("email-subject", delivery, "Your invoice", False),
        ("regkey|value", "Persistence mechanism", "HKCU\\Run\\x|a|b", True), ("mutex", "Artifacts dropped", "Global\\m", True),
        ("vulnerability", "External analysis", "CVE-2021-44228", False),
        ("link", "External analysis", "https://r.example/1", False), ("btc", "Financial fraud", "1BoatSLRHtKNngkdXE", True),
        ("text", "Other", "a note", False), ("comment", "Other", "another", False),
        ("yara", "Payload installation", "rule x { condition: true }", True), ("threat-actor", "Attribution", "Some Bear", False),
    ]  # fmt: skip
    attributes = [
        {"type": kind, "category": category, "value": value, "to_ids": ids, "comment": f"about {number}"}
        for number, (kind, category, value, ids) in enumerate(loose)
    ]
    attributes[0] |= {"Tag": ["kill-chain:c2"], "first_seen": "2026-01-02T03:04:05+00:00"}
    files = [
        {"type": "attachment", "category": "External analysis", "value": "report.txt", "data": "aGVsbG8=", "to_ids": False},
        {"type": "malware-sample", "category": delivery, "value": "a.exe|" + "0" * 32, "data": packed("a.exe", b"MZ")},
    ]
    members = [
        ("filename", "filename", "dropper.exe"), ("md5", "md5", "d" * 32), ("sha256", "sha256", "e" * 64),
        ("size-in-bytes", "size-in-bytes", "1024"),
    ]  # fmt: skip
    holder = {
        "name": "file",
        "comment": "the dropper",
        "Attribute": [
            {
                "type": kind,
                "object_relation": relation,
                "value": value,
                "category": "Other" if kind == "size-in-bytes" else delivery,
            }
            for kind, relation, value in members
        ],
    }
    pair = {
        "name": "domain-ip",
        "Attribute": [
            {"type": "domain", "object_relation": "domain", "value": "c.example"},
            {"type": "ip-dst", "object_relation": "ip", "value": "203.0.113.7"},
        ],
    }
    return {
        "info": "All shapes", "threat_level_id": "1", "Tag": ["tlp:green", "campaign:x", TECHNIQUE],
        "Attribute": attributes + files, "Object": [holder, pair],
    }  # fmt: skip


TECHNIQUE = 'misp-galaxy:mitre-attack-pattern="Phishing - T1566"'


async def imported(connector: Connector, name: str, misp: MispDouble) -> dict[str, Any]:
    """What hive would be told of the newest event."""
    await connector.forget_sent()
    await connector.poll(name)
    told = await connector.sent()
    assert len(told) == 1, (await connector.state(name), await connector.events())
    envelope = told[0]
    if "data" in envelope:
        return dict(envelope["data"])
    content = b"".join([chunk async for chunk in connector.runtime.blobs.open(envelope["data_ref"]["sha256"])])
    return dict(orjson.loads(content))


async def case_of(told: dict[str, Any], connector: Connector, exporting: Exporting, number: int) -> dict[str, Any]:
    """The case that hive makes of the alert, as it then gives it to the connector."""
    observables = []
    for place, one in enumerate(told["observables"]):
        said = {name: one.get(name) for name in ("message", "tlp", "ioc")}
        entry = exporting.observable(place, one["data_type"], one.get("data"), **said)
        entry |= {"tags": one["tags"], "origin": {**one["origin"], "told": said}}
        if one.get("file"):
            content = b"".join([chunk async for chunk in connector.runtime.blobs.open(one["file"]["sha256"])])
            entry["file"] = exporting.file(one["file"]["name"], content)
        observables.append(entry)
    alert = told["alert"]
    origin = told["observables"][0]["origin"] if told["observables"] else None
    return exporting.case(
        *observables,
        number=number,
        title=alert["title"],
        tlp=alert["tlp"],
        pap=alert["pap"],
        severity=alert["severity"],
        tags=alert["tags"],
        techniques=[{"pattern_id": p["pattern_id"], "name": p["description"].partition(" (")[0]} for p in told["procedures"]],
        sources=[{"instance": origin["instance"], "event": origin["event"]}] if origin else [],
    )


def held_by(event: dict[str, Any]) -> Counter[tuple[str, ...]]:
    """Everything the event says, each once: type, category, value, detection flag, its object's name and its place there."""
    found: Counter[tuple[str, ...]] = Counter()
    for holder, name in [(event, ""), *((o, o["name"]) for o in event["Object"] if not o.get("deleted"))]:
        for one in holder["Attribute"]:
            if one["deleted"]:
                continue
            try:
                form = stored_form({**one, "data": None})
            except Bad:
                continue  # MISP itself would not take it today
            relation = str(one["object_relation"] or "") if name else ""
            found[(form["type"], form["category"], form["value"], name, relation)] += 1
    return found


def values_of(told: dict[str, Any]) -> set[tuple[str, str, bool]]:
    return {(one["data_type"], (one.get("data") or one["file"]["sha256"]).casefold(), one["ioc"]) for one in told["observables"]}


async def there_and_back(
    event: dict[str, Any],
    connector: Connector,
    exporting: Exporting,
    elsewhere: Connector,
    number: int,
    expected: str = "created",
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The event at its source and at the second server, and what was told of each."""
    role = {**ROLE, "perm_publish": True}
    with MispDouble() as first, MispDouble(role=role) as second:
        await connector.add(f"first{number}", first.url, **EVERYTHING)
        await connector.add(f"second{number}", second.url, **EVERYTHING)
        await elsewhere.add(f"there{number}", second.url, **EVERYTHING)
        identity = first.state.add(event)
        told = await imported(connector, f"first{number}", first)
        case = await case_of(told, connector, exporting, number)
        answer = await exporting.export(case, instance=f"second{number}")
        assert "error" not in answer, answer
        again = await exporting.export(case, instance=f"second{number}")
        assert {one["result"] for one in again["results"]} <= {"unchanged", "rejected", "skipped", "held"}
        second.state.publish(case["event_uuid"])  # MISP refuses to publish an event without attributes
        back = await imported(elsewhere, f"there{number}", second)
        assert list(second.state.events) == [case["event_uuid"]]
        return first.state.events[identity], second.state.events[case["event_uuid"]], told, back


async def test_nothing_is_lost_and_nothing_comes_twice(connector: Connector, exporting: Exporting, elsewhere: Connector) -> None:
    source, target, told, back = await there_and_back(many_shapes(), connector, exporting, elsewhere, 1)
    assert held_by(target) == held_by(source)
    assert values_of(back) == values_of(told)
    assert {t["name"] for t in target["Tag"]} == {"tlp:green", "PAP:AMBER", "campaign:x", TECHNIQUE}
    assert (target["threat_level_id"], target["info"].endswith("All shapes")) == ("1", True)
    comments = {(a["type"], a["value"]): a["comment"] for a in target["Attribute"]}
    assert {(a["type"], a["value"]): a["comment"] for a in source["Attribute"]} == comments
    (first,) = [a for a in target["Attribute"] if a["type"] == "ip-dst" and a["value"] == "203.0.113.7"]
    assert [t["name"] for t in first["Tag"]] == ["kill-chain:c2"] and first["first_seen"] == "2026-01-02T03:04:05+00:00"
    sample = next(a for a in target["Attribute"] if a["type"] == "malware-sample")
    assert sample["data"] == next(a for a in source["Attribute"] if a["type"] == "malware-sample")["data"]


@pytest.mark.timeout(400)
@pytest.mark.skipif(not FILES, reason=f"no real MISP events below {SHARED}; WAGGLE_SHARED may name the folder")
async def test_real_events_survive_it_too(connector: Connector, exporting: Exporting, elsewhere: Connector) -> None:
    """Every published event that we have. What MISP refuses today (its rules grew since) is reported and not missed."""
    for number, file in enumerate(FILES, start=2):
        document = json.loads(file.read_text())
        document = document["response"][0] if isinstance(document, dict) and "response" in document else document
        event = document.get("Event", document)
        source, target, told, back = await there_and_back(event, connector, exporting, elsewhere, number)
        lost = held_by(source) - held_by(target)
        # an empty value says nothing; two equal attributes of one event are one here and there
        kept = {key for key, _ in lost.items() if key[2].strip() and not held_by(target)[key]}
        assert kept == set(), (file.name, sorted(kept)[:5])
        assert max(held_by(target).values(), default=1) <= max(held_by(source).values(), default=1), file.name
        assert values_of(back) == {v for v in values_of(told) if v[1]}, file.name
        assert all(len(tag["name"]) <= TAG_LENGTH for tag in target["Tag"])
