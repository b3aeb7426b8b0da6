"""Instances from the operator's settings file and from the launcher's seed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from misp_harness import Connector

from misp_connector.access.service import Right, find_caller
from misp_connector.instances import service
from misp_connector.instances.config import InstanceChange, InstanceInput
from misp_connector.instances.file import BadSettingsFile, read_file
from misp_connector.seed import Seed, apply_seed
from waggle.db import Scope
from waggle.errors import BadRequest

TOML = """
[[instances]]
name = "partner"
url = "http://10.0.0.5/misp"
key_env = "PARTNER_KEY"
options = { interval = "15m", organisations = ["soc"] }

[[instances]]
name = "osint"
kind = "feed"
url = "/srv/feeds/osint"
"""


def written(folder: Path, text: str, name: str = "instances.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


class TestReading:
    def test_toml_and_json_are_read_and_keys_come_from_elsewhere(self, tmp_path: Path) -> None:
        partner, osint = read_file(written(tmp_path, TOML), {"PARTNER_KEY": "k1"})
        assert partner.key and partner.key.get_secret_value() == "k1" and partner.options.interval == 900
        assert osint.kind == "feed" and osint.key is None
        secret = written(tmp_path, "k2\n", "secret")
        entry = {"name": "x", "url": "https://misp.example/", "key_file": str(secret)}
        (read,) = read_file(written(tmp_path, json.dumps({"instances": [entry]}), "instances.json"))
        assert read.key and read.key.get_secret_value() == "k2"

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("", "instances"),
            ("[[instances]", "instances.toml"),
            ("other = 1", "other"),
            (TOML, "PARTNER_KEY is not set"),
            (TOML.replace("interval", "max-age"), "PARTNER_KEY is not set"),
            ('[[instances]]\nname = "x"\nurl = "https://a.example"', "a server needs a key"),
            ('[[instances]]\nname = "x"\nurl = "https://a.example"\nkey = "k"\nsync = 1', "sync"),
            ('[[instances]]\nname = "x"\nurl = "https://a.example"\nkey = "k"\noptions = {max-age = 1}', "max-age"),
            ('[[instances]]\nname = "x"\nurl = "https://a.example"\nkey = "k"\nkey_env = "K"', "give one of"),
            ('[[instances]]\nname = "x"\nurl = "https://a.example"\nkey_file = "/nowhere"', "/nowhere"),
            (
                '[[instances]]\nname = "x"\nkind = "feed"\nurl = "/a"\n[[instances]]\nname = "X"\nkind = "feed"\nurl = "/b"',
                "used twice",
            ),
        ],
    )
    def test_what_is_not_understood_is_said_with_its_place(self, tmp_path: Path, text: str, says: str) -> None:
        with pytest.raises(BadSettingsFile, match=says):
            read_file(written(tmp_path, text), {})


async def applied(connector: Connector, entries: list[InstanceInput]) -> None:
    async with connector.runtime.database.begin(Scope()) as session:
        await service.apply_settings_file(session, entries=entries, secrets=connector.runtime.secrets)


class TestApplying:
    async def test_the_file_makes_and_changes_instances_and_a_second_time_nothing(
        self, connector: Connector, tmp_path: Path
    ) -> None:
        entries = read_file(written(tmp_path, TOML), {"PARTNER_KEY": "k1"})
        await applied(connector, entries)
        await applied(connector, entries)
        rows = await connector.rows("SELECT name, managed, trusted, version FROM instances ORDER BY id")
        assert [(r["name"], r["managed"], r["trusted"], r["version"]) for r in rows] == [
            ("partner", "file", True, 1),
            ("osint", "file", True, 1),
        ]
        await applied(connector, read_file(written(tmp_path, TOML), {"PARTNER_KEY": "k2"}))
        rows = await connector.rows("SELECT version FROM instances ORDER BY id")
        assert [r["version"] for r in rows] == [2, 1]

    async def test_the_api_does_not_change_what_the_file_says(self, connector: Connector, tmp_path: Path) -> None:
        await applied(connector, read_file(written(tmp_path, TOML), {"PARTNER_KEY": "k1"}))
        async with connector.runtime.database.begin(Scope()) as session:
            with pytest.raises(BadRequest, match="settings file"):
                await service.change_instance(
                    session, name="partner", change=InstanceChange(enabled=False), secrets=connector.runtime.secrets, actor="t"
                )
            with pytest.raises(BadRequest, match="settings file"):
                await service.delete_instance(session, name="osint", actor="t")

    async def test_what_left_the_file_is_disabled_and_keeps_its_state(self, connector: Connector, tmp_path: Path) -> None:
        entries = read_file(written(tmp_path, TOML), {"PARTNER_KEY": "k1"})
        await applied(connector, entries)
        await applied(connector, entries[:1])
        rows = await connector.rows("SELECT name, managed, enabled FROM instances ORDER BY id")
        assert [(r["managed"], r["enabled"]) for r in rows] == [("file", True), ("api", False)]
        told = await connector.sent("misp.instance_changed.v1")
        assert [t["data"]["status"] for t in told if t["data"]["name"] == "osint"] == ["PENDING", "DISABLED"]

    async def test_a_key_that_cannot_be_opened_any_more_is_replaced(self, connector: Connector, tmp_path: Path) -> None:
        entries = read_file(written(tmp_path, TOML), {"PARTNER_KEY": "k1"})
        await applied(connector, entries)
        await connector.rows("UPDATE instances SET key_sealed = '\\x0102' WHERE name = 'partner'")
        await applied(connector, entries)
        async with connector.runtime.database.begin(Scope()) as session:
            instance, _ = await service.get_instance(session, name="partner")
        assert connector.runtime.secrets.open(instance.key_sealed or b"", context=instance.seal_context) == b"k1"


class TestSeed:
    seed = Seed.model_validate(
        {"api_key": "w" * 43, "instances": [{"name": "demo", "kind": "feed", "url": "/srv/demo", "options": {"interval": 30}}]}
    )

    async def test_seeding_twice_is_seeding_once(self, connector: Connector) -> None:
        await apply_seed(connector.runtime, self.seed)
        await apply_seed(connector.runtime, self.seed)
        async with connector.runtime.database.begin(Scope()) as session:
            caller = await find_caller(session, key="w" * 43)
        assert caller and caller.rights == frozenset(Right)
        (row,) = await connector.rows("SELECT managed, trusted, version FROM instances")
        assert (row["managed"], row["trusted"], row["version"]) == ("api", True, 1)
        kinds = await connector.rows("SELECT kind FROM audit WHERE actor = 'seed' ORDER BY kind")
        assert [row["kind"] for row in kinds] == ["api_key", "instance"]

    async def test_a_new_key_replaces_the_old_one(self, connector: Connector) -> None:
        await apply_seed(connector.runtime, self.seed)
        await apply_seed(connector.runtime, self.seed.model_copy(update={"api_key": "x" * 43}))
        async with connector.runtime.database.begin(Scope()) as session:
            assert await find_caller(session, key="w" * 43) is None
            assert await find_caller(session, key="x" * 43) is not None


class TestClaims:
    async def test_claims_nobody_named_for_long_are_swept(self, connector: Connector) -> None:
        from misp_connector.claims.retention import sweep
        from misp_connector.claims.service import store_claim
        from waggle.blobs import BlobMissing

        runtime = connector.runtime
        async with runtime.database.begin(Scope()) as session:
            old = await store_claim(session, runtime.blobs, content=b"old")
            new = await store_claim(session, runtime.blobs, content=b"new")
        await connector.rows(f"UPDATE blobs SET named_at = now() - interval '15 days' WHERE sha256 = '\\x{old}'")
        assert await sweep(runtime.database, runtime.blobs, days=14) == 1
        with pytest.raises(BlobMissing):
            [chunk async for chunk in runtime.blobs.open(old)]
        assert [chunk async for chunk in runtime.blobs.open(new)] == [b"new"]
