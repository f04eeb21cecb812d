"""Failures and hostile texts in a browser: lost connections, ended sessions, hidden tabs, scripts in data."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

pytest.importorskip("playwright", reason="the browser tests need Playwright")

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from fakes.chromium import NEEDED, PATIENCE, tab
from fakes.dashboard import Site, service
from fakes.dashboard_data import TRACE as REPORT_TRACE
from fakes.dashboard_data import write_report
from fakes.dashboard_server import serving
from fakes.hostile_shop import NAME, TEXT, hostile_shop
from fakes.shop import TRACE
from fakes.telemetry import Answers
from infra_runtime.dashboard.navigation import NAVIGATION
from infra_runtime.data_directory.journal import Journal
from infra_runtime.messages import Phase

#: what a hostile text could have made of a page
HARM = """() => [
  ...document.querySelectorAll("img, iframe, object, script:not([src]), [onload], [onerror]"),
  ...[...document.links].filter(({ protocol }) => !["http:", "https:"].includes(protocol)),
].map((element) => element.outerHTML.slice(0, 200))"""
#: counts the event streams that a page has opened and not closed
COUNTED = """
  window.streams = new Set();
  window.EventSource = class extends EventSource {
    constructor(address) { super(address); window.streams.add(this); }
    close() { super.close(); window.streams.delete(this); }
  };
"""

pytestmark = [pytest.mark.real("dashboard"), NEEDED]


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield context
    context.close()


def set_hidden(page: Page, *, on: bool) -> None:
    """Hide or show a page for its scripts, as when the user selects another tab."""
    page.evaluate(
        """(on) => {
            Object.defineProperty(document, "hidden", { value: on, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        on,
    )


def append(site: Site, name: str, text: str) -> None:
    with Path(site.paths.logs, f"{name}.log").open("a", encoding="utf-8") as file:
        file.write(text)


@contextmanager
def counted_streams(context: BrowserContext, folder: Path, path: str) -> Iterator[tuple[Site, Page, Locator]]:
    """Open a page with the log of the service `db`; yield the site, the page and the texts of the lines."""
    site = Site(folder, service("db"))
    site.log("db", "INFO first\n")
    context.add_init_script(COUNTED)
    with serving(site) as (url, cookie):
        page = tab(context, url, cookie)
        page.goto(f"{url}{path}")
        yield site, page, page.locator("#log .line .text")


def test_a_page_of_logs_has_one_stream_after_its_filters_have_changed_and_it_was_hidden(
    context: BrowserContext, tmp_path: Path
) -> None:
    with counted_streams(context, tmp_path, "/logs") as (site, page, lines):
        for text in ("fir", "irs", "first"):
            page.get_by_label("Text in the line").fill(text)
            expect(page).to_have_url(re.compile(f"text={text}$"), timeout=PATIENCE)
        for on in (True, False, True, False):
            set_hidden(page, on=on)

        append(site, "db", "INFO first again\n")

        expect(lines).to_have_text(["INFO first", "INFO first again"], timeout=PATIENCE)
        assert page.evaluate("window.streams.size") == 1


def test_the_page_of_a_service_has_one_stream_for_its_state_and_its_log(
    context: BrowserContext, tmp_path: Path
) -> None:
    with counted_streams(context, tmp_path, "/services/db") as (site, page, lines):
        expect(lines).to_have_text(["INFO first"], timeout=PATIENCE)

        append(site, "db", "INFO again\n")
        site.supervisor.services["db"] = service("db", phase=Phase.FAILED, reason="exited with status 3")

        expect(lines).to_have_text(["INFO first", "INFO again"], timeout=PATIENCE)
        expect(page.locator("#head")).to_contain_text("exited with status 3", timeout=PATIENCE)
        assert page.evaluate("window.streams.size") == 1


def test_the_starts_of_the_stack_are_shown_between_the_lines_and_a_run_is_selected(
    context: BrowserContext, tmp_path: Path
) -> None:
    site = Site(tmp_path, service("db"))
    moments = iter((1_780_000_000.0, 1_780_000_100.0))
    journal = Journal(site.paths.journal, lambda: next(moments))
    journal.write("up")
    journal.write("up")
    site.log("db", "one\ntwo\n")
    Path(site.paths.logs, "db.index").write_text("1780000010 4\n1780000110 8\n", encoding="ascii")
    with serving(site) as (url, cookie):
        page = tab(context, url, cookie)
        rows = page.locator("#log .line")
        for path in ("/services/db", "/logs"):
            page.goto(f"{url}{path}")
            expect(rows).to_contain_text(["one", "The stack started: ", "two"], timeout=PATIENCE)

        page.get_by_label("Run").select_option(index=2)

        expect(rows).to_contain_text(["one"], timeout=PATIENCE)
        expect(rows).to_have_count(1, timeout=PATIENCE)
        assert "run=2026" in page.url


def test_a_lost_connection_is_shown_on_every_live_page_until_it_is_back(
    context: BrowserContext, tmp_path: Path
) -> None:
    site = Site(tmp_path, service("db"))
    site.log("db", "INFO first\n")
    with serving(site) as (url, cookie):
        page = tab(context, url, cookie)
        for path in ("/", "/logs", "/services/db"):
            page.goto(f"{url}{path}")
            shown = page.locator("[data-connection]")
            expect(shown).to_be_hidden(timeout=PATIENCE)
            set_hidden(page, on=True)
            context.set_offline(offline=True)
            set_hidden(page, on=False)
            expect(shown).to_contain_text("connection lost", timeout=PATIENCE)
            context.set_offline(offline=False)
            expect(shown).to_be_hidden(timeout=PATIENCE)


def test_a_page_whose_session_has_ended_names_the_command_for_a_link(
    context: BrowserContext, tmp_path: Path
) -> None:
    site = Site(tmp_path, service("db"))
    site.log("db", "INFO first\n")
    with serving(site) as (url, cookie):
        page = tab(context, url, cookie)
        page.goto(f"{url}/logs")
        expect(page.locator("#log .line")).to_have_count(1, timeout=PATIENCE)
        set_hidden(page, on=True)
        context.clear_cookies()
        set_hidden(page, on=False)

        expect(page.locator("[data-connection]")).to_contain_text("infra runtime open", timeout=PATIENCE)


def test_a_link_to_an_older_line_shows_the_lines_before_it(context: BrowserContext, tmp_path: Path) -> None:
    site = Site(tmp_path, service("db"))
    # The time in the line is exact; the time of a line without a time is estimated again by each page.
    wanted = json.dumps({"time": time.time(), "level": "info", "message": "wanted"})
    site.log("db", f"{wanted}\n")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    with serving(site) as (url, cookie):
        page = tab(context, url, cookie)
        page.goto(f"{url}/logs")
        line = page.locator("#log .line", has_text="wanted")
        line.click()
        line.get_by_role("button", name="Copy line").click()
        assert page.evaluate("navigator.clipboard.readText()") == wanted
        line.get_by_role("button", name="Copy link").click()
        address = page.evaluate("navigator.clipboard.readText()")
        # The other service makes the line older than the lines that a page shows.
        site.log("api", "".join(f"INFO {number}\n" for number in range(2000)))

        page.goto(address)

        expect(page.locator("#log .line.selected .text")).to_contain_text("wanted", timeout=PATIENCE)
        assert "line=db%3A0" in page.url


def test_an_imported_report_is_removed_after_a_confirmation(context: BrowserContext, tmp_path: Path) -> None:
    site = Site(tmp_path)
    for name in ("imported-a", "imported-b"):
        write_report(Path(site.paths.data), name, trace=REPORT_TRACE)
    write_report(Path(site.paths.data), "own")
    with serving(site) as (url, cookie):
        page = tab(context, url, cookie)
        page.goto(f"{url}/tests")
        rows, dialog = page.locator("#tests tr"), page.locator("#confirm")
        expect(rows).to_have_count(3, timeout=PATIENCE)
        expect(page.locator("[data-remove-report]")).to_have_count(2, timeout=PATIENCE)
        rows.filter(has_text="imported-a").get_by_role("button", name="Remove").click()
        dialog.get_by_role("button", name="Cancel").click()
        expect(rows).to_have_count(3, timeout=PATIENCE)
        rows.filter(has_text="imported-a").get_by_role("button", name="Remove").click()
        dialog.get_by_role("button", name="Remove").click()
        expect(rows).to_have_count(2, timeout=PATIENCE)
        rows.filter(has_text="imported-b").get_by_role("link").click()
        page.get_by_role("button", name="Remove").click()
        dialog.get_by_role("button", name="Remove").click()

        expect(page).to_have_url(f"{url}/tests", timeout=PATIENCE)
        expect(rows).to_have_count(1, timeout=PATIENCE)
    assert [path.name for path in Path(site.paths.data, "capsules").iterdir()] == ["own"]


def test_no_hostile_text_does_harm_on_any_page(
    context: BrowserContext, tmp_path: Path, answers: Answers
) -> None:
    harms: list[str] = []
    site = hostile_shop(tmp_path, answers)
    paths = [
        *(path for path, _, _ in NAVIGATION),
        f"/services/{quote(NAME, safe='')}",
        f"/traces/{TRACE}?span={9:016x}&text=img",
        f"/?text={quote(TEXT)}",
        f"/logs?text=x&include={quote(f'a={TEXT}')}&service={quote(NAME)}",
        *(f"{path}?text={quote(TEXT)}&service={quote(TEXT)}" for path in ("/traces", "/records", "/alerts")),
        "/search?text=img",
        f"/search?text={quote(TEXT[:200])}",
        f"/configuration?text={quote(TEXT)}",
        f"/{quote(TEXT)}",
        f"/tests/{quote(TEXT, safe='')}",
    ]

    def visit(page: Page, address: str) -> None:
        page.goto(address)
        if page.locator("#log").count():
            expect(page.locator("#log :is(.line, .empty)").first).to_be_attached(timeout=PATIENCE)
        for line in page.locator("#log .line:not(.note)").all()[:4]:
            line.click()
            line.click()
        harms.extend(f"{page.url}: {harm}" for harm in [*page.evaluate(HARM), *broken_title(page)])

    with serving(site) as (url, cookie):
        page = tab(context, url, cookie)
        page.on("dialog", lambda dialog: harms.append(dialog.message) or dialog.dismiss())
        page.on("pageerror", lambda error: harms.append(str(error)))
        page.on("console", lambda message: harms.append(message.text) if is_complaint(message) else None)
        for path in paths:
            visit(page, f"{url}{path}")
        for selector in ("#sessions a", "#tests a"):
            page.goto(f"{url}/tests")
            visit(page, str(page.locator(selector).first.evaluate("(link) => link.href")))
        page.goto(f"{url}/")
        page.locator("[data-service]").first.get_by_role("button", name="Stop").click()
        expect(page.locator("#confirm")).to_be_visible(timeout=PATIENCE)
        harms.extend(page.evaluate(HARM))

    assert harms == []


def is_complaint(message: Any) -> bool:
    return message.type in {"error", "warning"} and "404" not in message.text and "400" not in message.text


def broken_title(page: Page) -> list[str]:
    return [page.title()] if page.title() == "broken" else []
