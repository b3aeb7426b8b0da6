"""Files that nobody refers to go after a while; none that is in use, and none that comes again meanwhile."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from sqlalchemy import text

from hive.attachments.files import keep
from hive.attachments.sweep import USED_BY, sweep


async def aged(world: Any) -> None:
    await world.owner.execute("UPDATE blobs SET seen_at = now() - interval '2 days'")


async def stored(world: Any, content: bytes) -> str:
    return (await keep(world.hive.blobs, world.hive.database, content)).sha256


async def there(world: Any, sha256: str) -> tuple[bool, bool]:
    """Whether the row and the file are."""
    row = await world.owner.fetchval("SELECT true FROM blobs WHERE sha256 = $1", bytes.fromhex(sha256))
    return bool(row), world.hive.blobs.path(sha256).exists()


async def test_what_came_a_moment_ago_stays_and_what_is_forgotten_goes(world: Any) -> None:
    sha256 = await stored(world, b"forgotten")
    assert await sweep(world.hive) == 0
    await aged(world)
    assert await stored(world, b"forgotten") == sha256  # it came again: its day begins anew
    assert await sweep(world.hive) == 0
    await aged(world)
    assert await sweep(world.hive) == 1
    assert await there(world, sha256) == (False, False)


async def test_nothing_in_use_goes(world: Any) -> None:
    """Files of observables, attachments, logs, avatars: everything that refers to a content."""
    case, alert = await world.case(tasks=[{"title": "t"}]), await world.alert()
    (task,) = await world.query({"_name": "listTask"})
    log = (await world.soc.post(f"/api/v1/task/{task['_id']}/log", json={"message": "m"})).json()
    for number, path in enumerate((f"case/{case['_id']}", f"alert/{alert['_id']}", f"log/{log['_id']}")):
        files = [("attachments", (f"{number}.txt", f"content {number}".encode()))]
        assert (await world.soc.post(f"/api/v1/{path}/attachments", files=files)).status_code in (201, 204)
    form = {"data": {"_json": '{"dataType": "file"}'}, "files": {"attachment": ("a.exe", b"MZ")}}
    assert (await world.soc.post(f"/api/v1/case/{case['_id']}/observable", **form)).status_code == 201
    await aged(world)
    assert await sweep(world.hive) == 0
    assert (await world.soc.delete(f"/api/v1/alert/{alert['_id']}")).status_code == 204
    assert await sweep(world.hive) == 1
    assert await there(world, hashlib.sha256(b"content 1").hexdigest()) == (False, False)
    assert await there(world, hashlib.sha256(b"MZ").hexdigest()) == (True, True)
    assert (await world.soc.delete(f"/api/v1/case/{case['_id']}")).status_code == 204
    assert await sweep(world.hive) == 3


async def test_every_reference_is_known_to_the_sweep(world: Any) -> None:
    """A new column that refers to contents belongs in its list, or it looks at those in vain each hour."""
    rows = await world.owner.fetch(
        "SELECT c.conrelid::regclass || '.' || a.attname AS place FROM pg_constraint c JOIN pg_attribute a"
        " ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] WHERE c.contype = 'f' AND c.confrelid = 'blobs'::regclass"
    )
    assert {row["place"] for row in rows} == set(USED_BY)


async def test_a_reference_that_comes_meanwhile_wins(world: Any) -> None:
    """The row is being referred to by a transaction that has not ended when the sweep comes to it."""
    sha256 = await stored(world, b"wanted")
    await aged(world)
    case = await world.case()
    async with world.hive.database.begin(world.platform().scope()) as session:
        await session.execute(
            text(
                "INSERT INTO attachments (org_id, case_id, name, content_type, size, sha256, created_at, created_by)"
                " VALUES (:org, :case, 'a', 'text/plain', 6, decode(:sha256, 'hex'), 1, 'x')"
            ),
            {"org": world.organisations["soc"], "case": int(case["_id"][1:]), "sha256": sha256},
        )
        sweeping = asyncio.create_task(sweep(world.hive))
        await asyncio.sleep(0.3)
    assert await sweeping == 0
    assert await there(world, sha256) == (True, True)


async def test_an_upload_of_the_same_content_meanwhile_is_kept(world: Any) -> None:
    """Uploads and sweeps of one content at once: whoever was told that it is kept has it."""
    content = b"again and again"
    for _ in range(15):
        await stored(world, content)
        await aged(world)
        results = await asyncio.gather(stored(world, content), sweep(world.hive), stored(world, content))
        assert await there(world, results[0]) == (True, True)
