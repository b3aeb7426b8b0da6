"""Settings and states of instances: receivers that hive does not have, proxies, TheHive's words, one alert for one UUID."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from misp_double import MispDouble
from misp_harness import Connector
from test_process import TestCommands

from misp_connector.instances import service
from misp_connector.instances.config import Options
from misp_connector.instances.file import BadSettingsFile, read_file
from misp_connector.instances.schemas import instance_output
from misp_connector.receivers.service import set_default_receivers
from waggle.contracts.messages.misp import MispReceiverUnknown
from waggle.db import Scope


async def state_of(connector: Connector, name: str = "partner") -> Any:
    async with connector.runtime.database.begin(Scope()) as session:
        return instance_output(*await service.get_instance(session, name=name)).state


class TestReceivers:
    async def test_an_organisation_that_hive_does_not_have_is_a_visible_error(self, connector: Connector) -> None:
        await connector.add("partner", "http://127.0.0.1:9/", organisations=["soc", "Sock"])
        await connector.add("fine", "http://127.0.0.1:9/", organisations=["soc"])
        assert (await state_of(connector)).unknown_organisations == []
        await TestCommands.handle(connector, MispReceiverUnknown(organisation="sock"))
        found = await state_of(connector)
        assert (found.status, found.unknown_organisations) == ("ERROR", ["sock"])
        assert (await state_of(connector, "fine")).unknown_organisations == []
        told = (await connector.sent("misp.instance_changed.v1"))[-1]["data"]
        assert (told["name"], told["status"], told["last_error"]) == ("partner", "ERROR", "hive has no organisation sock")
        async with connector.runtime.database.begin(Scope()) as session:
            await service.request_poll(session, name="partner", since=None, actor="test")
        assert (await state_of(connector)).unknown_organisations == []

    async def test_default_receivers_count_where_an_instance_names_none(self, connector: Connector) -> None:
        await connector.add("partner", "http://127.0.0.1:9/")
        await TestCommands.handle(connector, MispReceiverUnknown(organisation="soc"))
        assert (await state_of(connector)).unknown_organisations == ["soc"]
        async with connector.runtime.database.begin(Scope()) as session:
            await set_default_receivers(session, organisations=["other"], actor="test")
        assert (await state_of(connector)).unknown_organisations == []

    async def test_lag_and_retries_are_shown(self, connector: Connector) -> None:
        with MispDouble() as misp:
            await connector.add("partner", misp.url)
            assert (await state_of(connector)).lag is None
            await connector.poll()
            await connector.rows("UPDATE instance_states SET last_ok = last_ok - 90000")
            found = await state_of(connector)
            assert 90 <= found.lag < 150 and found.retrying == 0


@contextmanager
def proxy() -> Iterator[tuple[str, list[str]]]:
    """A forward proxy for http, and what went through it."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            seen.append(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
            kept = {k: v for k, v in self.headers.items() if k.lower() in ("authorization", "content-type", "accept")}
            asked = urllib.request.Request(self.path, data=body, headers=kept, method=self.command)
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked) as answer:
                content = answer.read()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    server.server_close()


async def test_everything_goes_through_the_proxy(connector: Connector) -> None:
    with MispDouble() as misp, proxy() as (address, seen):
        misp.state.add({"info": "x"})
        await connector.add("partner", misp.url, proxy=address)
        await connector.poll()
        assert len(await connector.sent()) == 1
        assert len(seen) == len(misp.requests) and all(path.startswith("http://127.0.0.1") for path in seen)


async def test_a_proxy_inside_that_nobody_allowed_is_refused(connector: Connector) -> None:
    await connector.add("partner", "http://198.51.100.1/", proxy="http://127.0.0.1:9")
    await connector.rows("UPDATE instances SET trusted = false")
    await connector.poll()
    assert "WAGGLE_OUTBOUND_ALLOW" in str((await state_of(connector)).last_error)


@pytest.mark.parametrize(
    "options",
    [
        {"proxy": "socks5://x"}, {"proxy": "http://user:word@x"}, {"export_distribution": 5}, {"export_distribution": 4},
        {"export_sharing_group": 1}, {"export_removed": "forget"}, {"export_strategy": "guess"}, {"export_scope": "some"},
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Options.model_validate(options)


class TestTheHivesWords:
    def test_a_configuration_is_taken_over_as_it_is(self, tmp_path: Path) -> None:
        file = tmp_path / "instances.toml"
        file.write_text(
            """
            [[instances]]
            name = "partner"
            url = "https://misp.example/"
            auth = { type = "key", key = "abc" }
            purpose = "ImportOnly"
            caseTemplate = "MISP"
            max-age = "7d"
            max-attributes = 1000
            tags = ["misp"]
            exportCaseTags = true
            includedTheHiveOrganisations = ["soc"]
            exclusion = { organisation = ["Bad"], tags = ["draft"] }
            whitelist = { tags = ["tlp:*"] }
            """
        )
        (found,) = read_file(file)
        assert found.key is not None and found.key.get_secret_value() == "abc"
        options = found.options
        assert (options.case_template, options.max_age, options.max_attributes, options.alert_tags) == (
            "MISP", 7 * 86400, 1000, ("misp",),
        )  # fmt: skip
        assert (options.exclude_orgs, options.exclude_tags, options.include_tags) == (("Bad",), ("draft",), ("tlp:*",))
        assert options.organisations == ("soc",) and options.export_case_tags

    @pytest.mark.parametrize("line", ["max_ages = 1", "exclusion = { orgs = [] }", 'auth = { type = "bearer", key = "x" }'])
    def test_what_is_nobodys_word_is_refused(self, tmp_path: Path, line: str) -> None:
        file = tmp_path / "instances.toml"
        file.write_text(f'[[instances]]\nname = "a"\nurl = "https://a/"\nkey = "x"\n{line}\n')
        with pytest.raises(BadSettingsFile):
            read_file(file)


class TestOneUuidFromTwoServers:
    @pytest.mark.parametrize("fold", [True, False])
    async def test_is_one_alert_where_both_are_set_so(self, connector: Connector, fold: bool) -> None:
        with MispDouble() as first, MispDouble() as second:
            second.state.add({"info": "another one"}, published=False)
            identity = first.state.add({"info": "x", "Attribute": [{"type": "domain", "value": "a.example"}]})
            second.state.add({**first.state.events[identity], "info": "x"})
            for name, misp in (("one", first), ("two", second)):
                await connector.add(name, misp.url, fold=fold)
                await connector.poll(name)
            second.state.clock += 500
            second.state.set(identity, info="y")
            second.state.publish(identity)
            first.state.clock += 900
            first.state.set(identity, info="z")
            first.state.publish(identity)
            for name in ("two", "one"):
                await connector.poll(name)
            told = [(m["data"]["alert"]["source"], m["data"]["alert"]["source_ref"]) for m in await connector.sent()]
        assert told == ([("one", "1")] * 4 if fold else [("one", "1"), ("two", "2"), ("two", "2"), ("one", "1")])
