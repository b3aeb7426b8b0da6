"""`If-Match` on every change of one object: who read an older version is told so and changes nothing (threats R07)."""

from __future__ import annotations

import asyncio
from typing import Any

from waggle.web.access import routes_of

# What is changed by these has no version of its own (files, links, keys, sharing), or the whole is replaced by what is said.
WITHOUT = (
    "/attachment", "/shares", "/share/", "/link", "/key", "/session", "/organisations", "/_bulk", "/customField/{value}",
    "/alert/{alert}", "/actionRequired/", "/actionDone/", "/taxonomy/", "/pageTemplate/link", "/dashboard",
)  # fmt: skip


def declared(app: Any) -> set[tuple[str, str]]:
    """Method and path of the routes whose description has the header."""
    found = set()
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            if any(one["name"] == "If-Match" for one in operation.get("parameters", ())):
                found.add((method.upper(), path))
    return found


async def test_every_route_that_changes_one_object_takes_it(world: Any) -> None:
    known = declared(world.app)
    missing = [
        f"{method} {route.path}" for route in routes_of(world.app) for method in route.methods or ()
        if method in ("PATCH", "DELETE") and route.path.startswith("/api/v1/") and (method, route.path) not in known
        and not any(part in route.path for part in WITHOUT) and not route.path.endswith("/user/{reference}")
    ]  # fmt: skip
    assert missing == []


async def objects(world: Any) -> list[tuple[Any, str, dict[str, Any]]]:
    """Who may, the path, and a change, of one object of each kind."""
    alert, case = await world.alert(), await world.case(tasks=[{"title": "t"}])
    (task,) = await world.query({"_name": "listTask"})

    async def made(path: str, body: dict[str, Any], client: Any = None) -> str:
        answer = await (client or world.soc).post(f"/api/v1{path}", json=body)
        assert answer.status_code == 201, (path, answer.text)
        found = answer.json()
        return str((found[0] if isinstance(found, list) else found)["_id"])

    page = {"title": "p", "content": "c", "category": "c"}
    field = {"name": "f", "group": "g", "description": "d", "type": "string"}
    admin, soc, text = world.admin, world.soc, {"description": "changed"}
    observable = await world.observable(case["_id"])
    of_alert, of_case, of_task = alert["_id"], case["_id"], task["_id"]
    await world.alert(sourceRef="tagged", tags=["free"])
    (tag,) = await world.query({"_name": "listTag"})
    children: list[tuple[Any, str, dict[str, Any]]] = [
        (soc, f"/log/{await made(f'/task/{of_task}/log', {'message': 'm'})}", {"message": "n"}),
        (soc, f"/observable/{observable['_id']}", {"message": "n"}),
        (soc, f"/comment/{await made(f'/alert/{of_alert}/comment', {'message': 'm'})}", {"message": "n"}),
        (soc, f"/case/{case['_id']}/page/{await made(f'/case/{of_case}/page', page)}", {"title": "n"}),
        (soc, f"/procedure/{await made(f'/case/{of_case}/procedure', {'patternId': 'T1566', 'occurDate': 1})}", text),
        (soc, f"/customEvent/{await made(f'/case/{of_case}/customEvent', {'title': 'e', 'date': 1})}", {"title": "n"}),
        (soc, f"/task/{task['_id']}", {"title": "n"}),
    ]
    return [
        *children,
        (soc, f"/alert/{alert['_id']}", {"title": "n"}), (soc, f"/case/{case['_id']}", {"title": "n"}),
        (soc, f"/pageTemplate/{await made('/pageTemplate', page)}", {"title": "n"}),
        (soc, f"/caseTemplate/{await made('/caseTemplate', {'name': 'mine'})}", text), (soc, f"/tag/{tag['_id']}", text),
        (admin, f"/observable/type/{await made('/observable/type', {'name': 'x'}, admin)}", {"isCaseSensitive": False}),
        (admin, f"/customField/{await made('/customField', field, admin)}", text),
        (admin, f"/caseStatus/{await made('/caseStatus', {'value': 'X', 'stage': 'New'}, admin)}", text),
        (admin, f"/alertStatus/{await made('/alertStatus', {'value': 'X', 'stage': 'New'}, admin)}", text),
        (admin, f"/profile/{await made('/profile', {'name': 'x'}, admin)}", {"name": "y"}),
        (admin, f"/catalog/{await made('/catalog', {'name': 'x'}, admin)}", text),
        (admin, f"/organisation/{await made('/organisation', {'name': 'x', 'description': 'd'}, admin)}", text),
        (soc, f"/user/{await made('/user', {'login': 'n@soc.example', 'name': 'N', 'profile': 'analyst'})}", {"name": "n"}),
    ]  # fmt: skip


async def test_the_loser_gets_both_versions_and_the_winner_wins(world: Any) -> None:
    for client, path, change in await objects(world):
        stale = await client.patch(f"/api/v1{path}", json=change, headers={"If-Match": '"7"'})
        assert stale.status_code == 412, (path, stale.text)
        shown = stale.json()
        assert shown["type"] == "VersionConflict" and "not 7" in shown["message"] and "_id" in shown["current"], path
        version = shown["current"]["version"]
        odd = await client.patch(f"/api/v1{path}", json=change, headers={"If-Match": "yesterday"})
        assert odd.status_code == 400, path
        fresh = await client.patch(f"/api/v1{path}", json=change, headers={"If-Match": f'"{version}"'})
        assert fresh.status_code == 204, (path, fresh.text)
        gone = path + ("/force" if path.startswith("/user") else "")
        if path.startswith("/organisation/"):
            continue
        again = await client.delete(f"/api/v1{gone}", headers={"If-Match": f'"{version + 7}"'})
        assert again.status_code == 412, (path, again.text)
        current = again.json()["current"]["version"]
        refused = (200, 400) if path.startswith("/tag") else (204,)
        last = await client.delete(f"/api/v1{gone}", headers={"If-Match": f'"{current}"'})
        assert last.status_code in (204, *refused), (path, last.text)


async def test_of_several_at_once_one_wins(world: Any) -> None:
    comment = (await world.soc.post(f"/api/v1/case/{(await world.case())['_id']}/comment", json={"message": "m"})).json()
    path = f"/api/v1/comment/{comment['_id']}"
    answers = await asyncio.gather(
        *(world.soc.patch(path, json={"message": f"by {n}"}, headers={"If-Match": f'"{comment["version"]}"'}) for n in range(5))
    )
    assert sorted(one.status_code for one in answers) == [204, 412, 412, 412, 412]
    winner = next(n for n, one in enumerate(answers) if one.status_code == 204)
    loser = next(one for one in answers if one.status_code == 412)
    assert loser.json()["current"]["message"] == f"by {winner}"
