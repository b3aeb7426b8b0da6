"""ElastAlert 2 as released, its own command and its own alerter (contracts hive-v0 §6.1, §6.12)."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from outside import run
from started import started

CONFIG = """\
rules_folder: .
run_every: {minutes: 1}
buffer_time: {minutes: 15}
es_host: 127.0.0.1
es_port: 9200
writeback_index: elastalert_status
alert_time_limit: {days: 2}
"""
RULE = """\
name: ssh-bruteforce
type: any
index: logs-*
es_host: 127.0.0.1
es_port: 9200
filter: []
realert: {{minutes: 0}}
alert: hivealerter
alert_text: "Failed login from {{0}}"
alert_text_args: [src_ip]
alert_text_type: alert_text_only
hive_connection: {{hive_host: "http://{host}", hive_port: {port}, hive_apikey: "{key}"}}
hive_alert_config:
  type: external
  source: elastalert2
  severity: 3
  tlp: 2
  pap: 1
  status: New
  caseTemplate: no such template
  tags: [host.name, bruteforce]
  customFields: [{{name: hits, type: integer, value: 4}}, {{name: asset, type: string, value: web1}}]
hive_observable_data_mapping:
  - {{ip: src_ip, tlp: 1, message: attacker, tags: [src]}}
  - {{domain: domain}}
  - {{rule_name: rule}}
"""
EVENTS = [
    {
        "@timestamp": "2026-01-02T10:00:00Z",
        "src_ip": "203.0.113.7",
        "domain": "bad.example",
        "rule": "r1",
        "host": {"name": "web1"},
    },
    {
        "@timestamp": "2026-01-02T10:00:01Z",
        "src_ip": "203.0.113.8",
        "domain": "bad.example",
        "rule": "r1",
        "host": {"name": "web2"},
    },
]


@pytest.mark.timeout(200)
def test_alerts_arrive_whole(tmp_path: Path) -> None:
    """Its exit code is 0 even when nothing was sent, so hive is asked."""
    with started(tmp_path / "home", "hive") as running:
        address = urlsplit(running.url("hive"))
        key = running.credentials["hive"]["api_key"]
        (tmp_path / "config.yaml").write_text(CONFIG)
        (tmp_path / "rule.yaml").write_text(RULE.format(host=address.hostname, port=address.port, key=key))
        (tmp_path / "data.json").write_text(json.dumps(EVENTS))
        arguments = ["--config", "config.yaml", "--data", "data.json", "--alert", "rule.yaml"]
        output = run("elastalert", "elastalert-test-rule", *arguments, folder=tmp_path)
        assert "Error posting to TheHive" not in output, output[-3000:]
        with running.client("hive") as client:
            found = client.post(
                "/api/alert/_search", params={"range": "all", "sort": "title"}, json={"query": {"source": "elastalert2"}}
            )
            alerts = found.json()
            assert len(alerts) == 2, output[-3000:]
            one = next(a for a in alerts if "203.0.113.7" in a["description"])
            assert (one["title"], one["type"], one["severity"], one["tlp"], one["pap"], one["status"], one["follow"]) == (
                "ssh-bruteforce", "external", 3, 2, 1, "New", True,
            )  # fmt: skip
            assert one["description"].strip() == "Failed login from 203.0.113.7"
            assert set(one["tags"]) == {"web1", "bruteforce"}
            assert one["customFields"] == {"hits": {"integer": 4, "order": 0}, "asset": {"string": "web1", "order": 1}}
            artifacts = {(a["dataType"], a["data"]): a for a in one["artifacts"]}
            assert set(artifacts) == {("ip", "203.0.113.7"), ("domain", "bad.example"), ("rule_name", "r1")}
            ip = artifacts[("ip", "203.0.113.7")]
            assert (ip["tlp"], ip["tags"], ip["message"]) == (1, ["src"], "attacker")
