"""Changes take the documented fields and no others: every column of the table is tried by name (threats S24)."""

from __future__ import annotations

from typing import Any

from pydantic.alias_generators import to_camel

# What hive-v1 §3.3 lets a PATCH change. Everything else a table holds is the service's own.
DOCUMENTED = {
    "alerts": {
        "type", "source", "sourceRef", "externalLink", "title", "description", "severity", "date", "lastSyncDate", "tags", "tlp",
        "pap", "follow", "customFields", "status", "summary",
    },
    "cases": {
        "title", "description", "severity", "startDate", "endDate", "tags", "flag", "tlp", "pap", "status", "summary",
        "impactStatus", "customFields",
    },
    "tasks": {"title", "description", "status", "flag", "startDate", "endDate", "dueDate", "mandatory"},
    "logs": {"message", "includeInTimeline"},
    "comments": {"message"},
    "pages": {"title", "content", "category"},
    "page_templates": {"title", "content", "category"},
    "procedures": {"description", "occurDate", "patternId", "tactic"},
    "custom_events": {"date", "endDate", "title", "description"},
    "case_templates": {
        "name", "displayName", "titlePrefix", "description", "severity", "tags", "flag", "tlp", "pap", "summary", "tasks",
        "customFields",
    },
    "organisations": {"name", "description", "taskRule", "observableRule", "locked"},
}  # fmt: skip


async def made(world: Any) -> dict[str, str]:
    """One object of each kind; the path of its PATCH by table."""
    alert, case = await world.alert(), await world.case(tasks=[{"title": "Look"}])
    (task,) = await world.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "tasks"})
    path = f"/api/v1/case/{case['_id']}"
    page_body = {"title": "t", "content": "c", "category": "x"}
    posted = {
        "log": (f"/api/v1/task/{task['_id']}/log", {"message": "m"}),
        "comment": (f"{path}/comment", {"message": "m"}),
        "page": (f"{path}/page", page_body),
        "pageTemplate": ("/api/v1/pageTemplate", page_body),
        "procedure": (f"{path}/procedure", {"occurDate": 1, "patternId": "T1566"}),
        "customEvent": (f"{path}/customEvent", {"date": 1, "title": "e"}),
        "caseTemplate": ("/api/v1/caseTemplate", {"name": "tpl"}),
    }
    ids = {name: (await world.soc.post(url, json=body)).json()["_id"] for name, (url, body) in posted.items()}
    return {
        "alerts": f"/api/v1/alert/{alert['_id']}", "cases": path, "tasks": f"/api/v1/task/{task['_id']}",
        "logs": f"/api/v1/log/{ids['log']}", "comments": f"/api/v1/comment/{ids['comment']}",
        "pages": f"{path}/page/{ids['page']}", "page_templates": f"/api/v1/pageTemplate/{ids['pageTemplate']}",
        "procedures": f"/api/v1/procedure/{ids['procedure']}", "custom_events": f"/api/v1/customEvent/{ids['customEvent']}",
        "case_templates": f"/api/v1/caseTemplate/{ids['caseTemplate']}", "organisations": "/api/v1/organisation/soc",
    }  # fmt: skip


async def test_no_column_can_be_set_that_the_contract_does_not_name(world: Any) -> None:
    for table, path in (await made(world)).items():
        client = world.admin if table == "organisations" else world.soc
        columns = await world.owner.fetch(
            "SELECT column_name AS name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1", table
        )
        before = await world.owner.fetch(f"SELECT * FROM {table} ORDER BY id")
        names = {row["name"] for row in columns}
        assert len(names) > 5, table
        for name in sorted(names | {to_camel(one) for one in names} | {"_id", "_createdBy", "_createdAt", "__class__"}):
            if to_camel(name) in DOCUMENTED[table]:
                continue
            answer = await client.patch(path, json={name: 1})
            assert answer.status_code == 400, (table, name, answer.status_code, answer.text)
        assert await world.owner.fetch(f"SELECT * FROM {table} ORDER BY id") == before, table
