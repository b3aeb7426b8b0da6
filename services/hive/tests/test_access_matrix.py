"""Every route against every profile: made from the table of routes, so that a new route is in it by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from test_access import filled

from hive.acting import Require
from hive.identity.permissions import BUILT_IN_PROFILES, Permission
from waggle.web.access import requirements_of, routes_of

PROFILES = ("org-admin", "analyst", "read-only")


def guarded(app: Any) -> Iterator[tuple[str, str, Permission | None]]:
    """Method, path and the permission that the route's mark demands (None: membership is enough)."""
    for route in routes_of(app):
        marks = [mark for mark in requirements_of(route) if isinstance(mark, Require)]
        for method in sorted(route.methods or ()):
            for mark in marks:
                yield method, route.path, mark.permission


async def _status(client: Any, method: str, path: str) -> tuple[int, str]:
    answer = await client.request(method, filled(path), json={})
    return answer.status_code, answer.text


async def custom(world: Any) -> int:
    """A profile of no permission yet, and the key `key-custom` of somebody who has it."""
    await world.person("custom@soc.example", "soc", "org-admin", "key-custom")
    profile = await world.owner.fetchval(
        "INSERT INTO profiles (name, kind, created_at, created_by) VALUES ('custom', 'Organisation', 1, 'test') RETURNING id"
    )
    await world.owner.execute(
        "UPDATE memberships SET profile_id = $1 FROM users u WHERE u.id = user_id AND u.login = 'custom@soc.example'", profile
    )
    return int(profile)


async def test_no_route_lies_behind_another(world: Any) -> None:
    """`/case/{reference}` registered before `/case/shares` would swallow it."""
    seen: list[tuple[str, str, re.Pattern[str]]] = []
    hidden = []
    for route in routes_of(world.app):
        for method in sorted(route.methods or ()):
            sample = re.sub(r"\{[^}]+\}", "~1", route.path)
            hidden += [
                f"{method} {route.path} behind {path}" for m, path, shape in seen if m == method and shape.fullmatch(sample)
            ]
            seen.append((method, route.path, re.compile(re.sub(r"\{[^}:]+\}", "[^/]+", route.path.replace("{path:path}", ".*")))))
    assert hidden == []


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_profile_reaches_what_it_permits_and_nothing_else(world: Any, profile: str) -> None:
    client, permitted = world.client(f"key-soc-{profile}"), BUILT_IN_PROFILES[profile][1]
    for method, path, permission in guarded(world.app):
        if permission is not None and permission not in permitted:
            status, text = await _status(client, method, path)
            assert status == 403, (method, path, permission, status, text)


async def test_a_custom_profile_without_the_one_permission_is_refused(world: Any) -> None:
    """Everything but the permission of the route: it alone opens it."""
    profile = await custom(world)
    client, everything = world.client("key-custom"), [str(one) for one in Permission]
    routes = [(method, path, permission) for method, path, permission in guarded(world.app) if permission is not None]
    for permission in sorted({one for _, _, one in routes}):
        without = [one for one in everything if one != permission]
        await world.owner.execute("UPDATE profiles SET permissions = $1 WHERE id = $2", without, profile)
        world.hive.authenticator.recent.forget()
        for method, path, needed in routes:
            if needed == permission:
                status, text = await _status(client, method, path)
                assert status == 403, (method, path, permission, status, text)


async def test_with_its_permission_alone_a_route_is_open(world: Any) -> None:
    """The mark asks for no more than it says; what is missing then is the object or the content."""
    profile = await custom(world)
    client, closed = world.client("key-custom"), []
    routes = [(m, p, permission) for m, p, permission in guarded(world.app) if permission is not None]
    for permission in sorted({one for _, _, one in routes}):
        await world.owner.execute("UPDATE profiles SET permissions = $1 WHERE id = $2", [str(permission)], profile)
        world.hive.authenticator.recent.forget()
        for method, path, needed in routes:
            if needed == permission and (await _status(client, method, path))[0] in (401, 403):
                closed.append(f"{method} {path}")
    assert closed == []
