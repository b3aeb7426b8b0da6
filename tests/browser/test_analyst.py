"""An analyst's first minutes in a real browser: log in, preview, import, add a log, run an analyzer, see the report arrive."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from started import Started

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

ALERT = {
    "type": "phishing",
    "source": "mail-gateway",
    "sourceRef": "browser-1",
    "title": "Payroll phishing <script>alert(1)</script>",
    "description": "A mail that **asks** for credentials. <img src=x onerror=alert(1)>",
    "severity": 3,
    "observables": [{"dataType": "url", "data": "https://user@portal.payroll-acme.example:8443/a", "ioc": True}],
}


@pytest.fixture
def page(platform: Started, chromium: dict[str, object]) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**chromium)  # type: ignore[arg-type]
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(20_000)
        yield page
        browser.close()


def test_from_alert_to_report(platform: Started, page: Page) -> None:
    with platform.client("hive") as hive:
        assert hive.post("/api/v1/alert", json=ALERT).status_code == 201
    dialogs: list[str] = []
    faults: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.on("pageerror", lambda error: faults.append(str(error)))

    page.goto(platform.url("hive"))
    page.get_by_label("Login").fill(platform.credentials["hive"]["login"])
    page.locator("input[name=password]").fill("wrong password")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("Authentication failure")
    page.locator("input[name=password]").fill(platform.credentials["hive"]["password"])
    page.get_by_role("button", name="Log in").click()

    row = page.get_by_role("row").filter(has_text="Payroll phishing")
    expect(row).to_contain_text("High")
    row.get_by_role("button", name="Preview").click()
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_role("table", name="Observables")).to_contain_text("portal.payroll-acme.example")
    drawer.get_by_label("Case template").click()
    page.get_by_role("option", name="Phishing").click()
    drawer.get_by_role("button", name="Import as case").click()

    expect(page.get_by_role("heading", name=re.compile(r"#\d+ .*Payroll phishing"))).to_be_visible()
    page.get_by_role("tab", name=re.compile("Tasks")).click()
    page.locator(".mantine-Accordion-control").first.click()
    page.get_by_label("New log entry (Markdown)").fill("Blocked the **sender**.")
    page.get_by_role("button", name="Add log").click()
    expect(page.locator("strong", has_text="sender")).to_be_visible()

    page.get_by_role("tab", name=re.compile("Observables")).click()
    page.get_by_role("table", name="Observables").get_by_text("portal.payroll-acme.example").click()
    drawer = page.get_by_role("dialog")
    drawer.get_by_label(re.compile("UrlParts")).check()
    drawer.get_by_role("button", name="Run", exact=True).click()
    expect(drawer.locator("[data-status=Success]")).to_be_visible()
    drawer.locator(".mantine-Accordion-control").first.click()
    expect(drawer).to_contain_text("a user name before the host hides where the link leads")
    page.keyboard.press("Escape")
    expect(page.locator("[data-level=suspicious]").first).to_contain_text("UrlParts:Domain")

    assert dialogs == []
    assert faults == []
