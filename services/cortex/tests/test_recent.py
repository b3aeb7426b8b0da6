"""What is kept in memory for a moment never outlives a change: accounts of keys, and workers that jobs are asked of."""

from __future__ import annotations

from typing import Any

import pytest

from waggle.testing import until

CHANGES = [
    "UPDATE users SET status = 'Locked' WHERE login = 'admin@lab'",
    "UPDATE users SET roles = '{}' WHERE login = 'admin@lab'",
    "DELETE FROM api_keys WHERE login = 'admin@lab'",
    "UPDATE organisations SET status = 'Locked' WHERE id = 'lab'",
]


async def warm(api: Any) -> None:
    """The key's account is kept from here on."""
    await until(lambda: api.engine.listener.listening)

    async def kept() -> bool:
        assert (await api.admin.get("/api/analyzer")).status_code == 200
        return bool(api.engine.accounts._known)

    await until(kept)


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_behind_the_service_s_back_is_heard(api: Any, change: str) -> None:
    await warm(api)
    await api.bench.owner.execute(change)

    async def refused() -> bool:
        return (await api.admin.get("/api/analyzer")).status_code in (401, 403)

    await until(refused)


async def test_a_change_over_rest_counts_with_the_next_request(api: Any) -> None:
    await warm(api)
    analyst = await api.user("a@lab", ["read", "analyze"])
    assert (await analyst.get("/api/analyzer")).status_code == 200
    assert (await api.admin.patch("/api/user/a@lab", json={"roles": ["analyze"]})).status_code == 200
    assert (await analyst.get("/api/analyzer")).status_code == 403
    assert (await api.admin.delete("/api/user/a@lab/key")).status_code == 204
    assert (await analyst.get("/api/analyzer")).status_code == 401
    boss = await api.user("boss@other", ["read"], organisation="other")
    assert (await boss.get("/api/analyzer")).status_code == 200
    assert (await api.superadmin.delete("/api/organization/other")).status_code == 204
    assert (await boss.get("/api/analyzer")).status_code == 401


async def test_a_worker_s_limits_count_with_the_next_job(api: Any) -> None:
    worker = await api.enable()
    await warm(api)
    asked = {"dataType": "ip", "data": "203.0.113.5", "tlp": 3, "force": True}

    async def status() -> Any:
        return (await api.admin.post(f"/api/analyzer/{worker}/run", json=asked)).json().get("status")

    assert await status() == "Waiting"
    await api.admin.patch(f"/api/analyzer/{worker}", json={"configuration": {"check_tlp": True, "max_tlp": 2}})
    assert await status() == "Failure"
    await api.bench.owner.execute("UPDATE workers SET max_tlp = NULL WHERE id = $1", worker)

    async def allowed() -> bool:
        return await status() == "Waiting"

    await until(allowed)
    assert (await api.admin.delete(f"/api/analyzer/{worker}")).status_code == 204
    assert (await api.admin.post(f"/api/analyzer/{worker}/run", json=asked)).status_code == 404
