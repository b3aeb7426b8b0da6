"""The feed that the demo polls: real-shaped, complete, and mapped without loss."""

from __future__ import annotations

import json
from pathlib import Path

from misp_harness import Connector

FOLDER = Path(__file__).resolve().parents[3] / "deploy" / "local" / "demo" / "feed"


async def test_the_demo_feed_becomes_two_alerts(connector: Connector) -> None:
    await connector.add("demo-feed", str(FOLDER), key=None, kind="feed")
    await connector.poll("demo-feed")
    phishing, control = (envelope["data"] for envelope in await connector.sent())
    assert (phishing["alert"]["tlp"], control["alert"]["tlp"]) == ("GREEN", "AMBER")
    assert [p["pattern_id"] for p in control["procedures"]] == ["T1071.001", "T1547.001"]
    types = [o["data_type"] for o in phishing["observables"]]
    assert types == ["domain", "domain", "ip", "url", "mail-subject", "mail", "mail", "filename"]
    (shared,) = (o for o in phishing["observables"] if o["data_type"] == "ip")
    assert len(shared["origin"]["attributes"]) == 2
    ports = [tag for o in control["observables"] for tag in o["tags"] if tag.startswith("misp:port")]
    assert ports == ['misp:port="8443"', 'misp:port="8443"']


def test_the_manifest_and_the_files_agree() -> None:
    manifest = json.loads((FOLDER / "manifest.json").read_text())
    assert sorted(f"{name}.json" for name in manifest) == sorted(
        file.name for file in FOLDER.glob("*.json") if file.name != "manifest.json"
    )
    for name, line in manifest.items():
        event = json.loads((FOLDER / f"{name}.json").read_text())["Event"]
        assert event["uuid"] == name and event["timestamp"] == line["timestamp"] and event["Tag"] == line["Tag"]
