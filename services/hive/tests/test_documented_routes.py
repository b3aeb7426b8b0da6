"""The routes of the v1 contract (§1.7, §2): each is there with the status it is documented to answer, and nothing is a stub."""

from __future__ import annotations

import re
from typing import Any

from waggle.web.access import routes_of

# Method, path, success: contracts/hive-v1.md in its order.
ROUTES = """
GET /api/status 200 | POST /api/v1/login 200 | GET /api/v1/logout 200 | POST /api/v1/logout 200 | GET /api/v1/status/public 200
GET /api/v1/status 200 | GET /api/v1/license/current 200 | GET /api/v1/permission 200 | GET /api/v1/describe/{} 200
GET /api/v1/describe/_all 200
POST /alert 201 | GET /alert/{} 200 | PATCH /alert/{} 204 | PATCH /alert/_bulk 204 | DELETE /alert/{} 204
POST /alert/delete/_bulk 204 | POST /alert/{}/follow 204 | POST /alert/{}/unfollow 204 | POST /alert/{}/case 201
POST /alert/{}/merge/{} 200 | POST /alert/{}/import/{} 200 | POST /alert/merge/_bulk 200
GET /alert/{}/similar/{}/observables 200 | POST /alert/{}/attachments 201 | DELETE /alert/{}/attachment/{} 204
GET /alert/{}/attachment/{}/download 200 | POST /alert/{}/observable 201 | POST /alert/{}/procedure 201
POST /alert/{}/procedures 201 | POST /alert/{}/comment 201 | POST /alert/_bulk 201
POST /case 201 | GET /case/{} 200 | PATCH /case/{} 204 | PATCH /case/_bulk 204 | DELETE /case/{} 204 | POST /case/_merge/{} 201
DELETE /case/{}/alert/{} 204 | POST /case/{}/observable/_merge 200 | GET /case/{}/links 200 | DELETE /case/customField/{} 204
POST /case/import 200 | GET /case/{}/export 200 | POST /case/_bulk/caseTemplate 204 | POST /case/{}/owner 204
POST /case/{}/access 204 | GET /case/{}/similar/{}/observables 200 | POST /case/{}/link/case/add 204
POST /case/{}/link/case/remove 204 | POST /case/{}/link/external/add 204 | POST /case/{}/link/external/remove 204
GET /case/link/types 200 | GET /case/{}/timeline 200 | POST /case/{}/attachments 201 | DELETE /case/{}/attachment/{} 204
GET /case/{}/attachment/{}/download 200 | POST /case/{}/task 201 | POST /case/{}/observable 201 | POST /case/{}/procedure 201
POST /case/{}/procedures 201 | POST /case/{}/page 201 | PATCH /case/{}/page/{} 204 | DELETE /case/{}/page/{} 204
POST /case/{}/comment 201 | POST /case/{}/customEvent 201 | POST /case/_bulk/access 204
GET /case/{}/shares 200 | POST /case/{}/shares 201 | PUT /case/{}/shares 200 | DELETE /case/{}/shares 204
DELETE /case/share/{} 204 | POST /observable/{}/shares 204 | DELETE /observable/{}/shares 204 | GET /task/{}/shares 200
POST /task/{}/shares 204 | DELETE /task/{}/shares 204 | GET /observable/{}/shares 200 | PATCH /case/share/{} 204
DELETE /case/shares 204
POST /attachment 201 | GET /attachment/{}/download 200 | DELETE /attachment/{} 204
POST /caseTemplate 201 | GET /caseTemplate/{} 200 | PATCH /caseTemplate/{} 204 | DELETE /caseTemplate/{} 204
PUT /caseTemplate/{}/pageTemplate/link 204 | POST /pageTemplate 201 | PATCH /pageTemplate/{} 204 | DELETE /pageTemplate/{} 204
PATCH /comment/{} 204 | DELETE /comment/{} 204 | PATCH /procedure/{} 204 | DELETE /procedure/{} 204
POST /procedure/delete/_bulk 204 | PATCH /customEvent/{} 204 | DELETE /customEvent/{} 204
GET /observable/{} 200 | PATCH /observable/{} 204 | PATCH /observable/_bulk 204 | DELETE /observable/{} 204
GET /observable/{}/attachment/{}/download 200 | POST /observable/type 201 | GET /observable/type/{} 200
DELETE /observable/type/{} 204 | PATCH /observable/type/{} 204
GET /task/{} 200 | PATCH /task/{} 204 | PATCH /task/_bulk 204 | DELETE /task/{} 204 | GET /task/{}/actionRequired 200
PUT /task/{}/actionRequired/{} 204 | PUT /task/{}/actionDone/{} 204 | POST /task/{}/log 201 | PATCH /log/{} 204
DELETE /log/{} 204
POST /log/{}/attachments 204 | DELETE /log/{}/attachments/{} 204 | GET /log/{}/attachment/{}/download 200
GET /customField 200 | POST /customField 201 | PATCH /customField/{} 204 | DELETE /customField/{} 204
POST /organisation 201 | GET /organisation/{} 200 | PATCH /organisation/{} 204 | GET /organisation/{}/avatar/{} 200
PUT /organisation/{}/link/{} 201 | DELETE /organisation/{}/link/{} 204 | GET /organisation/{}/links 200
PUT /organisation/{}/links 201 | GET /sharingProfile 200
POST /profile 201 | GET /profile/{} 200 | PATCH /profile/{} 204 | DELETE /profile/{} 204
GET /user/current 200 | POST /user 201 | GET /user/{} 200 | PATCH /user/{} 204 | DELETE /user/{}/force 204
PUT /user/{}/organisations 200 | POST /user/{}/password/set 204 | POST /user/{}/password/change 204 | GET /user/{}/key 200
POST /user/{}/key/renew 200 | DELETE /user/{}/key 204 | DELETE /user/{} 204 | GET /user/{}/avatar/{} 200
POST /api/connector/cortex/job 201 | POST /connector/cortex/job/_bulk 201 | GET /api/connector/cortex/job/{} 200
POST /api/connector/cortex/action 200 | GET /api/connector/cortex/analyzer 200 | GET /api/connector/cortex/analyzer/type/{} 200
GET /api/connector/cortex/analyzer/{} 200 | GET /api/connector/cortex/responder/{}/{} 200
POST /connector/cortex/job 201 | GET /connector/cortex/job/{} 200 | POST /connector/cortex/action 200
GET /connector/cortex/analyzer 200 | GET /connector/cortex/analyzer/type/{} 200 | GET /connector/cortex/responder/{}/{} 200
GET /connector/misp/status 200 | GET /connector/misp/_syncAlerts 204 | POST /connector/misp/export/{}/{} 204
POST /connector/misp/case/import 201
POST /query 200
GET /tag/{} 200 | PATCH /tag/{} 204 | DELETE /tag/{} 204 | POST /taxonomy 201 | POST /taxonomy/import-zip 201
PUT /taxonomy/{}/activate 204 | PUT /taxonomy/{}/deactivate 204 | GET /taxonomy/{} 200 | DELETE /taxonomy/{} 204
POST /pattern/import/attack 201 | GET /pattern/{} 200 | DELETE /pattern/{} 204 | GET /pattern/case/{} 200 | POST /catalog 201
PATCH /catalog/{} 204 | DELETE /catalog/{} 204 | POST /alertStatus 201 | PATCH /alertStatus/{} 204 | DELETE /alertStatus/{} 204
POST /caseStatus 201 | PATCH /caseStatus/{} 204 | DELETE /caseStatus/{} 204
"""
# Optional upstream (§2.2, §2.13, §2.16): functions, case reports, the portal.
NOT_BUILT = """
POST /function | GET /function/x | PATCH /function/x | DELETE /function/x | POST /function/x/case/~1 | GET /caseReport/~1
POST /caseReportTemplate | GET /portal | POST /user/x/login/set | POST /user/x/mfa | GET /nothing
"""


def table(text: str) -> list[list[str]]:
    return [one.split() for line in text.strip().splitlines() for one in line.split("|") if one.strip()]


def full(path: str) -> str:
    return path if path.startswith("/api") else f"/api/v1{path}"


async def test_each_documented_route_is_there_and_answers_as_documented(world: Any) -> None:
    described: dict[tuple[str, str], set[str]] = {}
    for route in routes_of(world.app):
        for method in route.methods or ():
            answers = {str(route.status_code or 200), *map(str, route.responses)}
            described.setdefault((method, re.sub(r"\{[^}]+\}", "{}", route.path)), set()).update(answers)
    wrong = [
        f"{method} {path}: {sorted(described.get((method, full(path)), {'not there'}))}, not {status}"
        for method, path, status in table(ROUTES)
        if status not in described.get((method, full(path)), set())
    ]
    assert "\n".join(wrong) == ""


async def test_what_is_not_built_is_not_found(world: Any) -> None:
    for method, path in table(NOT_BUILT):
        answer = await world.soc.request(method, full(path), json={})
        known = (404,) if method == "GET" else (404, 405)  # the pages lie under every path, to be got and nothing else
        assert answer.status_code in known and answer.json()["message"], (method, path, answer.status_code)
