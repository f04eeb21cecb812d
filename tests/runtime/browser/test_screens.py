"""Each page with the data of a shop, and with 22 services that have long names and no other data.

The pages are not too wide, and follow the accessibility guidelines. The variable INFRA_SCREENSHOTS is a
folder in which their screenshots are written; some of them are the pictures of the documentation.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="the browser tests need Playwright")

from playwright.sync_api import Browser, BrowserContext, Page, expect

from fakes.axe import script, violations
from fakes.chromium import NEEDED, PATIENCE, tab
from fakes.dashboard import Site, service
from fakes.dashboard_server import serving
from fakes.shop import LONG, TRACE, Shop, crowd
from fakes.telemetry import Answers
from infra_runtime.dashboard.navigation import NAVIGATION

#: page → path, and an element that is there when the page is complete
PAGES = {
    "services": ("/", ".row time"),
    "service": ("/services/orders", "#log .line"),
    "logs": ("/logs", "#log .line"),
    "traces": ("/traces", ".traces"),
    "trace": (f"/traces/{TRACE}?span={9:016x}", "[data-span-details] dl"),
    "spans": (f"/traces/{TRACE}", ".span b"),
    "metrics": ("/charts", "figure"),
    "search": ("/search?text=order", ".hits"),
    "records": ("/records", ".alerts, .empty"),
    "alerts": ("/alerts", ".alerts"),
    "apis": ("/apis", ".findings"),
    "tests": ("/tests", "#tests"),
    "session": ("/tests", "#session-tests table"),
    "test": ("/tests", ".span b"),
    "graph": ("/graph", "#graph path"),
    "start": ("/start", ".waterfall"),
    "snapshots": ("/snapshots", ".snapshots"),
    "configuration": ("/configuration", ".settings"),
}
#: the other pages of the navigation
OTHERS = {
    title.lower(): (path, "h1")
    for path, title, _ in NAVIGATION
    if path not in {known for known, _ in PAGES.values()}
}
#: page → the link on its path that leads to it
LINKS = {"session": "#sessions a", "test": "#tests a"}
#: the pages of the second stack with its services
CROWDED = {
    "services": ("/", ".row time"),
    "service": (f"/services/{LONG}-0", "#log .empty"),
    "graph": ("/graph", ".node"),
}
#: the empty pages of the second stack
EMPTY = {
    **{
        name: (path, ".empty, .dim")
        for name, (path, _) in PAGES.items()
        if name in {"logs", "traces", "metrics", "alerts", "apis", "tests", "start", "snapshots"}
    },
    "no results": ("/configuration?text=nothing", ".empty"),
    "missing": ("/services/missing", "h1"),
    **OTHERS,
}
#: the widths and themes in which a page is checked
VIEWS = tuple(itertools.product((390, 1280), ("light", "dark")))
#: the same for an empty page; except for its text, all elements are also on the page with data
EMPTY_VIEWS = ((390, "light"), (1280, "dark"))

pytestmark = [pytest.mark.real("dashboard"), NEEDED]


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 390, "height": 800})
    yield context
    context.close()


def problems(
    page: Page,
    url: str,
    pages: dict[str, tuple[str, str]],
    prefix: str,
    views: tuple[tuple[int, str], ...] = VIEWS,
) -> dict[str, list[str]]:
    """Return page, theme and width → what is too wide, and the violations of the guidelines.

    The key `console` has what the browser reports, such as violations of the policy of a page.
    """
    folder = os.environ.get("INFRA_SCREENSHOTS")
    axe, results = script(), {}
    complaints: list[str] = []
    page.on(
        "console",
        lambda message: complaints.append(message.text) if message.type in {"error", "warning"} else None,
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    for name, (path, complete) in pages.items():
        page.set_viewport_size({"width": 390, "height": 800})
        page.goto(f"{url}{path}")
        if name in LINKS:
            page.locator(LINKS[name]).first.click()
            expect(page).to_have_url(re.compile("/tests/."), timeout=PATIENCE)
        for width, theme in views:
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme=theme)
            if width > 390 or name != "graph":  # the narrow graph is a list without lines
                expect(page.locator(complete).first).to_be_attached(timeout=PATIENCE)
            if folder:
                page.screenshot(path=Path(folder, f"{prefix}{name}-{theme}-{width}.png"))
            shown = page.evaluate("document.documentElement.scrollWidth")
            # The dark theme differs from the light one in its colours only.
            is_checked = theme == "dark" and (width, "light") in views
            broken = violations(page, axe, only_colours=is_checked)
            broken += [f"is {shown} pixels wide"] if shown > width else []
            if broken:
                results[f"{name}, {theme}, {width}"] = broken
    # The browser itself reports the answer 404 of the missing page.
    refused = [text for text in complaints if "404" not in text]
    return {**results, **({"console": refused} if refused else {})}


def test_the_pages_of_a_shop_fit_and_follow_the_accessibility_guidelines(
    context: BrowserContext, tmp_path: Path, answers: Answers
) -> None:
    with serving(Shop(tmp_path, answers)) as (url, cookie):
        results = problems(tab(context, url, cookie), url, PAGES | OTHERS, "")

    assert results == {}


def test_many_services_with_long_names_and_empty_pages_follow_the_accessibility_guidelines(
    context: BrowserContext, tmp_path: Path
) -> None:
    with serving(crowd(tmp_path)) as (url, cookie):
        page = tab(context, url, cookie)
        results = problems(page, url, CROWDED, "many-")
        empty = problems(page, url, EMPTY, "many-", EMPTY_VIEWS)

    assert (results, empty) == ({}, {})


def test_every_page_is_opened_with_its_keys(
    context: BrowserContext, tmp_path: Path, answers: Answers
) -> None:
    with serving(Shop(tmp_path, answers)) as (url, cookie):
        page = tab(context, url, cookie)
        page.goto(url)
        for path, title, key in NAVIGATION:
            # The scripts of a page have run when its theme has a name.
            expect(page.locator("[data-theme-word]")).to_have_text("Theme: system", timeout=PATIENCE)
            page.keyboard.press("g")
            page.keyboard.press(key)

            expect(page).to_have_url(f"{url}{path}", timeout=PATIENCE)
            expect(page.get_by_role("heading", level=1)).to_have_text(title, timeout=PATIENCE)
            # The text field of the search has the focus, and receives the keys.
            page.evaluate("document.activeElement.blur()")


def test_a_narrow_screen_shows_the_filters_after_a_click(
    context: BrowserContext, tmp_path: Path, answers: Answers
) -> None:
    with serving(Shop(tmp_path, answers)) as (url, cookie):
        page = tab(context, url, cookie)
        page.goto(f"{url}/logs?level=error")
        level, filters = page.get_by_label("Level"), page.get_by_role("button", name="Filters (1)")
        expect(filters).to_be_visible(timeout=PATIENCE)
        expect(level).to_be_hidden(timeout=PATIENCE)

        filters.press("Enter")
        level.select_option("warning")

        expect(page.locator("#log .line.warning").first).to_be_visible(timeout=PATIENCE)
        expect(page.locator("#log")).to_have_class(re.compile("wrap"), timeout=PATIENCE)
        page.set_viewport_size({"width": 1280, "height": 800})
        expect(filters).to_be_hidden(timeout=PATIENCE)
        expect(level).to_be_visible(timeout=PATIENCE)


@pytest.mark.parametrize(("path", "element"), [("/", "#service-db"), ("/graph", "#node-db")])
def test_an_empty_page_shows_the_first_service(
    context: BrowserContext, tmp_path: Path, path: str, element: str
) -> None:
    site = Site(tmp_path)
    with serving(site) as (url, cookie):
        page = tab(context, url, cookie)
        page.goto(f"{url}{path}")
        empty = page.get_by_text("The stack has no services yet")
        expect(empty).to_be_visible(timeout=PATIENCE)

        site.supervisor.services["db"] = service("db")

        expect(page.locator(element)).to_be_visible(timeout=PATIENCE)
        expect(empty).to_be_hidden(timeout=PATIENCE)
