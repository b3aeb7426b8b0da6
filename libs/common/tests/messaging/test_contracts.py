"""Envelope, messages and rights as data: no broker needed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from waggle.contracts.envelope import Envelope
from waggle.contracts.messages import (
    MESSAGES,
    AlertCreated,
    AlertRaised,
    AnalysisCompleted,
    AnalysisRequested,
    CaseExportRequested,
)
from waggle.ids import uuid7
from waggle.messaging import BusSettings, Forged, Keyring, Sender, Signer, make_bus
from waggle.messaging.rabbit_topology import retry_queue
from waggle.messaging.rights import (
    HIVE_ALERTS,
    HIVE_ANALYSIS,
    HIVE_MISP,
    MISP_COMMANDS,
    cortex_analysis,
    rabbit_definitions,
    rights_of,
    topic_regex,
)

from .support import KEYS, SERVICES, alert_raised, analysis_requested, keyring, signer

QUEUES = [HIVE_ALERTS, HIVE_ANALYSIS, HIVE_MISP, MISP_COMMANDS, cortex_analysis("main")]


class TestSignature:
    @pytest.mark.parametrize(
        "change",
        [
            {"id": uuid7()},
            {"time": 1},
            {"organisation": None},
            {"key": "alert:~1"},
            {"actor": "admin"},
            {"data": {"x": 1}},
            {"causation_id": uuid7()},
            {"a_later_field": 1},
            {"signature": ""},
            {"signature": "not base64!"},
        ],
    )
    def test_it_covers_every_field(self, change: dict[str, Any]) -> None:
        signed = signer("misp-connector").sign(alert_raised())
        keyring().verify(signed)
        with pytest.raises(Forged, match="signature"):
            keyring().verify(Envelope(**{**dict(signed), **change}))

    def test_it_survives_the_wire_and_unknown_fields(self) -> None:
        signed = signer("misp-connector").sign(alert_raised(a_later_field={"b": [1, 2.5, None]}))
        keyring().verify(Envelope.model_validate_json(signed.encode()))

    def test_a_key_can_be_replaced_without_losing_a_message(self) -> None:
        old, new = signer("misp-connector"), Signer(Signer.new_key())
        both = Keyring({"misp-connector": Sender((new.public_key, old.public_key))})
        for key in (old, new):
            both.verify(key.sign(alert_raised()))
        with pytest.raises(Forged):
            Keyring({"misp-connector": Sender((new.public_key,))}).verify(old.sign(alert_raised()))

    def test_a_service_cannot_speak_as_another(self) -> None:
        with pytest.raises(Forged, match="cortex may not send"):
            keyring().verify(signer("cortex").sign(alert_raised(source="cortex")))

    def test_an_instance_is_a_sender_of_its_own(self) -> None:
        one = signer("misp-connector")
        ring = Keyring({"misp-connector@lab": Sender((one.public_key,), frozenset({"lab"}))})
        ring.verify(one.sign(alert_raised(source="misp-connector@lab", organisation="lab")))
        with pytest.raises(Forged, match="may not speak for acme"):
            ring.verify(one.sign(alert_raised(source="misp-connector@lab")))


class TestMessages:
    def test_the_registry_knows_each_by_its_type(self) -> None:
        assert len(MESSAGES) == 24
        for name, message in MESSAGES.items():
            assert message.type == name
            assert re.fullmatch(r"[a-z_]+(\.[a-z_]+)+\.v1", name)
            assert message.sender in SERVICES
            assert message.audience != message.sender

    def test_unknown_fields_are_ignored(self) -> None:
        data = alert_raised().data
        assert data is not None
        assert AlertRaised.model_validate({**data, "later": 1}) == AlertRaised.model_validate(data)

    def test_unknown_markings_are_red(self) -> None:
        data = dict(analysis_requested("x").data or {})
        request = AnalysisRequested.model_validate({**data, "tlp": "PURPLE", "pap": 2})
        assert (request.tlp, request.pap) == ("RED", "RED")

    def test_an_observable_is_a_text_or_a_file(self) -> None:
        data = dict(analysis_requested("x").data or {})
        file = {"name": "a", "content_type": "b", "size": 1, "sha256": "0" * 64, "url": "http://hive/x"}
        AnalysisRequested.model_validate({**data, "data": None, "file": file})
        for wrong in ({**data, "file": file}, {**data, "data": None}):
            with pytest.raises(ValidationError, match="exactly one of data and file"):
                AnalysisRequested.model_validate(wrong)

    def test_a_request_names_its_worker(self) -> None:
        data = dict(analysis_requested("x").data or {})
        with pytest.raises(ValidationError, match="worker_id or name"):
            AnalysisRequested.model_validate({**data, "worker_id": None})

    def test_verdicts_are_read_leniently(self) -> None:
        line = {"level": "odd", "namespace": "A", "predicate": "score", "value": 3}
        done = AnalysisCompleted.model_validate({"job_id": "~1", "status": "Success", "summary": {"taxonomies": [line]}})
        assert (done.summary.taxonomies[0].level, done.summary.taxonomies[0].value) == ("info", "3")

    def test_the_words_of_the_api_are_the_words_on_the_wire(self) -> None:
        state: dict[str, Any] = {"severity": 2, "tlp": "AMBER", "status": "New", "stage": "New"}
        made = AlertCreated(id="~1", alert_type="misp", source="s", source_ref="r", title="t", **state)
        assert made.model_dump(by_alias=True)["type"] == "misp"
        assert AlertCreated.model_validate(made.model_dump(by_alias=True)) == made

    def test_a_reference_is_checked(self) -> None:
        reference = {"sha256": "x", "size": 1, "url": "http://hive/x"}
        with pytest.raises(ValidationError, match="sha256"):
            CaseExportRequested.model_validate({"case_id": "~1", "instance": "i", "case_ref": reference})


class TestEnvelope:
    @pytest.mark.parametrize("change", [{"data": None}, {"type": "Alert"}, {"key": ""}, {"source": ""}, {"target": "a.b"}])
    def test_bad_fields_are_refused(self, change: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            alert_raised(**change)

    def test_the_routing_key_ends_with_the_instance(self) -> None:
        assert alert_raised().routing_key == "alert.raised.v1"
        assert analysis_requested("paris").routing_key == "analysis.requested.v1.paris"


class TestRights:
    def test_every_message_that_must_arrive_has_a_queue_of_its_audience(self) -> None:
        for name, message in MESSAGES.items():
            takers = [queue for queue in QUEUES if name in queue.patterns or f"{name}.main" in queue.patterns]
            if message.audience != "any":
                assert [queue.owner for queue in takers] == [rights_of(message.audience).queue_prefix]

    def test_a_service_publishes_what_it_is_the_sender_of(self) -> None:
        for service in SERVICES:
            allowed = re.compile(topic_regex(rights_of(service).publishes))
            for name, message in MESSAGES.items():
                key = f"{name}.main" if message.addressed else name
                assert bool(allowed.match(key)) == (message.sender == service)

    def test_a_topic_is_matched_whole(self) -> None:
        allowed = re.compile(topic_regex(("alert.raised.v1", "analysis.requested.v1.*")))
        assert allowed.match("analysis.requested.v1.paris")
        for wrong in ("alert-raised.v1", "alert.raised.v11", "x.alert.raised.v1", "analysis.requested.v1.a.b"):
            assert not allowed.match(wrong)

    def test_a_broker_user_owns_its_prefix_only(self) -> None:
        made = rabbit_definitions({"cortex": ("cortex", "secret")})
        assert "secret" not in str(made)
        rule = made["permissions"][0]
        assert re.match(rule["configure"], "cortex.main.analysis.retry.5s")
        for foreign in ("hive.alerts", "waggle.events", "cortexx.q", "amq.default", ""):
            assert not re.match(rule["configure"], foreign)
        for right in ("write", "read"):
            assert re.match(rule[right], "waggle.events")
            for foreign in ("hive.alerts", "hive.returns", "amq.default", ""):
                assert not re.match(rule[right], foreign)

    def test_retry_queues_are_named_by_their_delay(self) -> None:
        names = [retry_queue(HIVE_ALERTS, delay) for delay in (5, 30, 120, 600, 3600, 0.05)]
        assert [name.removeprefix("hive.alerts.retry.") for name in names] == ["5s", "30s", "2m", "10m", "1h", "50ms"]


class TestSettings:
    def _environment(self, monkeypatch: pytest.MonkeyPatch, **more: str) -> BusSettings:
        senders = json.dumps({"cortex": {"keys": [signer("cortex").public_key], "organisations": ["acme"]}})
        variables = {"WAGGLE_SIGNING_KEY": KEYS["hive"], "WAGGLE_SENDERS": senders, **more}
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return BusSettings()

    def test_an_amqp_url_chooses_rabbitmq(self, monkeypatch: pytest.MonkeyPatch) -> None:
        both = {"WAGGLE_AMQP_URL": "amqp://x@127.0.0.1/", "BUS_DATABASE_URL": "postgresql://x@127.0.0.1/bus"}
        assert type(make_bus(self._environment(monkeypatch, **both))).__name__ == "RabbitBus"

    def test_without_one_the_queues_are_in_postgresql(self, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = self._environment(monkeypatch, BUS_DATABASE_URL="postgresql://x:secret@127.0.0.1/bus")
        assert type(make_bus(settings)).__name__ == "PostgresBus"
        assert "secret" not in repr(settings)
        assert KEYS["hive"] not in repr(settings)

    def test_without_either_it_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(ValueError, match="neither WAGGLE_AMQP_URL nor BUS_DATABASE_URL"):
            make_bus(self._environment(monkeypatch))

    def test_the_senders_organisations_are_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ring = self._environment(monkeypatch).keyring()
        envelope = alert_raised(type="analysis.cancelled.v1", source="cortex", data={"job_id": "~1"}, organisation="other")
        with pytest.raises(Forged, match="may not speak for other"):
            ring.verify(signer("cortex").sign(envelope))


def test_the_bus_of_one_machine_loads_neither_fastapi_nor_the_amqp_client() -> None:
    """A runner of jobs stays small."""
    code = "import sys, waggle.messaging, waggle.messaging.postgres; print([m for m in sys.modules if m in sys.argv[1:]])"
    unwanted = ["fastapi", "starlette", "aio_pika", "aiormq", "sqlalchemy"]
    loaded = subprocess.run([sys.executable, "-c", code, *unwanted], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
