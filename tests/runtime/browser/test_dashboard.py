"""The pages of a real stack in a browser: login, live changes, actions, logs, traces, keys, many tabs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright", reason="the browser tests need Playwright")

from playwright.sync_api import Browser, BrowserContext, Page, expect

import infra_runtime as infra
from fakes.chromium import NEEDED, PATIENCE
from fakes.command_line import service
from fakes.dashboard_data import TRACE, send_trace, stored_span, write_report, write_session
from infra_cli.web_pages import address_of
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.client import Client
from infra_runtime.engines.local.stack import Stack

#: the number of connections to one host that Chromium keeps open
CONNECTIONS = 6
#: more tabs than connections
TABS = 8
#: the number of spans in the trace of the failure report
MANY = 10_000
HOSTILE = (
    "<img src=x onerror=\"document.title='broken'\">\x1b[31mred\x1b[0m"
    "\x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07"
)

pytestmark = [pytest.mark.real("dashboard"), NEEDED]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("shop")
    text = service("db") + service("api", ports="{ main = 18451 }", needs='["db"]')
    text += '[api.shop]\nsnapshot = "old.json"\nsource = "new.json"\n'
    (folder / "infra.toml").write_text(
        f'use = ["db", "api", "dashboard", "telemetry"]\n{text}', encoding="utf-8"
    )
    for name, paths in (("old", ["/pets", "/orders"]), ("new", ["/pets"])):
        (folder / f"{name}.json").write_text(openapi(*paths), encoding="utf-8")
    with infra.start(environment="test", directory=folder, data=folder / "data") as stack:
        fill(stack, folder / "data")
        yield stack


def fill(stack: Stack, data: Path) -> None:
    """Write a session of pytest with a failure report, and send a trace to the telemetry service."""
    failed = {"test": "test_shop.py::test_order", "outcome": "failed", "error": "AssertionError: 500"}
    passed = {"test": "test_shop.py::test_cart", "outcome": "passed", "waits": [["db", 0.25]]}
    write_session(
        data,
        {**passed, "counts": {"passed": 1}},
        {**failed, "trace": TRACE, "counts": {"passed": 1, "failed": 1}},
    )
    report = write_report(data, "test_order")
    (report / "logs" / "api.log").write_text("INFO started\nERROR no stock\n", encoding="utf-8")
    # Each of the first spans has ten spans below it.
    spans = [stored_span(f"span {number}", number, (number - 1) // 10) for number in range(1, MANY + 1)]
    spans[1]["attributes"] = {"note": HOSTILE}
    content = {"trace": TRACE, "spans": spans, "logs": []}
    (report / "trace.json").write_text(json.dumps(content), encoding="utf-8")
    send_trace(stack.telemetry.url, stack.telemetry.key, TRACE)


def openapi(*paths: str) -> str:
    """Return an OpenAPI document with an operation at each path."""
    operation = {"get": {"responses": {"200": {"description": "ok"}}}}
    information = {"title": "shop", "version": "1"}
    return json.dumps({"openapi": "3.1.0", "info": information, "paths": dict.fromkeys(paths, operation)})


class Tab:
    """A page of the dashboard, with everything that the browser complains about."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.complaints: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.complaints.append(text)

    def open(self, path: str) -> Page:
        self.page.goto(f"{self.url}{path}")
        return self.page


@pytest.fixture(scope="module")
def context(browser: Browser, stack: Stack) -> Iterator[BrowserContext]:
    """A browser that is logged in."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(link(stack))
    page.wait_for_url(re.compile(r"1/?$|/$"))
    page.close()
    yield context
    context.close()


@pytest.fixture
def tab(context: BrowserContext, stack: Stack) -> Iterator[Tab]:
    tab = Tab(context.new_page(), stack.dashboard.url)
    yield tab
    tab.page.close()
    assert tab.complaints == []


def link(stack: Stack) -> str:
    client = Client.connect(Paths(str(stack.data)))
    try:
        return address_of(client, "dashboard", "admin")
    finally:
        client.close()


def append(stack: Stack, name: str, *lines: str) -> None:
    with Path(stack.data, "logs", f"{name}.log").open("a", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))


def test_a_link_logs_in_and_leaves_no_token_in_the_history(browser: Browser, stack: Stack) -> None:
    context = browser.new_context()
    tab = Tab(context.new_page(), stack.dashboard.url)
    address = link(stack)

    tab.page.goto(address)

    expect(tab.page.get_by_role("heading", name="Services")).to_be_visible(timeout=PATIENCE)
    tab.page.go_back()
    assert address.partition("#")[2] not in tab.page.url
    (cookie,) = context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["domain"]) == (
        True,
        "Strict",
        "dashboard.localhost",
    )
    context.close()
    assert tab.complaints == []


def test_the_further_pages_are_in_a_menu_on_a_narrow_screen(tab: Tab) -> None:
    tab.page.set_viewport_size({"width": 390, "height": 800})
    page = tab.open("/")
    link = page.get_by_role("link", name="Search")
    expect(link).to_be_hidden(timeout=PATIENCE)

    page.get_by_role("button", name="More").focus()
    page.keyboard.press("Enter")
    expect(link).to_be_visible(timeout=PATIENCE)
    page.keyboard.press("Escape")
    expect(link).to_be_hidden(timeout=PATIENCE)
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("Search", timeout=PATIENCE)


def test_the_charts_are_drawn_again_and_an_open_table_stays_open(tab: Tab) -> None:
    page = tab.open("/charts")
    figure = page.locator("figure", has_text="Memory")
    figure.locator("summary").click()
    end = figure.locator(".axis time").last
    expect(end).not_to_be_empty(timeout=PATIENCE)
    before = end.text_content() or ""

    expect(end).not_to_have_text(before, timeout=PATIENCE)

    assert re.fullmatch(r"[0-9:]{8}", end.text_content() or "")
    expect(figure.get_by_role("rowheader", name="db")).to_be_visible(timeout=PATIENCE)


def test_a_selected_span_has_its_log_records_and_links_and_is_in_the_address(tab: Tab) -> None:
    page = tab.open(f"/traces/{TRACE}")
    details = page.locator("[data-span-details]")

    page.locator(".span", has_text="charge").click()
    expect(details).to_contain_text("the card was declined", timeout=PATIENCE)
    expect(details).to_contain_text("CardError", timeout=PATIENCE)
    assert f"span={3:016x}" in page.url
    page.reload()
    expect(details).to_contain_text("card declined", timeout=PATIENCE)
    page.keyboard.press("Escape")
    expect(details).to_be_hidden(timeout=PATIENCE)
    page.locator(".span", has_text="POST /orders").click()
    expect(details.get_by_role("link")).to_have_attribute(
        "href", f"/traces/{'cd' * 16}?span={'12' * 8}", timeout=PATIENCE
    )


def test_a_trace_of_10000_spans_is_folded_and_searched_with_few_elements(tab: Tab) -> None:
    page = tab.open("/tests")
    page.locator("#tests a").first.click()
    rows = page.locator(".span")
    expect(rows.first).to_be_visible(timeout=PATIENCE)

    box = page.locator(".spans")
    expect(box).to_have_attribute("aria-rowcount", str(MANY), timeout=PATIENCE)
    assert rows.count() < 100
    box.focus()
    page.keyboard.press("End")
    last = rows.last.get_attribute("aria-rowindex")
    assert last == str(MANY)
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    expect(rows.first).to_have_attribute("aria-expanded", "false", timeout=PATIENCE)
    expect(rows.nth(1)).to_contain_text("span 2", timeout=PATIENCE)
    page.get_by_label("Search spans").fill("/orders/9999")
    expect(page.locator("[data-span-count]")).to_have_text(f"1 of {MANY} spans", timeout=PATIENCE)
    expect(page.locator(".span.selected")).to_contain_text("span 9999", timeout=PATIENCE)
    page.get_by_label("Search spans").fill("onerror")
    expect(page.locator(".span.selected")).to_contain_text("span 2", timeout=PATIENCE)
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page.locator("[data-span-details]")).to_contain_text("<img src=x", timeout=PATIENCE)
    assert page.locator(".trace-view img").count() == 0


def test_a_service_is_stopped_after_its_dependents_were_shown(tab: Tab, stack: Stack) -> None:
    page = tab.open("/")
    row = page.locator("#service-db")

    row.get_by_role("button", name="Stop").click()
    dialog = page.locator("#confirm")
    expect(dialog.get_by_role("listitem")).to_have_text(["api"], timeout=PATIENCE)
    dialog.get_by_role("button", name="Stop").click()

    expect(row.locator(".state")).to_contain_text("stopped", timeout=PATIENCE)
    assert not stack.status().services["db"].ready
    row.get_by_role("button", name="Start", exact=True).click()
    expect(row.locator(".state")).to_contain_text("ready", timeout=PATIENCE)


def test_a_snapshot_is_saved_and_restored_after_a_confirmation(tab: Tab, stack: Stack) -> None:
    state = stack.db.data / "state"
    state.write_text("then", encoding="utf-8")
    page = tab.open("/snapshots")
    dialog = page.locator("#confirm")

    page.get_by_label("Name").fill("before")
    page.get_by_role("button", name="Save").click()
    dialog.get_by_role("button", name="Save").click()
    row = page.locator('[data-snapshot="before"]')
    expect(row).to_contain_text("db", timeout=PATIENCE)
    state.write_text("now", encoding="utf-8")
    row.get_by_role("button", name="Restore").click()
    expect(dialog.get_by_role("listitem")).to_contain_text(["db", "api"], timeout=PATIENCE)
    dialog.get_by_role("button", name="Restore").click()

    expect(page.locator(".notice")).to_contain_text("before is restored.", timeout=PATIENCE)
    assert state.read_text(encoding="utf-8") == "then"


def test_lines_are_followed_paused_and_filtered_and_never_become_elements(tab: Tab, stack: Stack) -> None:
    page = tab.open("/logs?service=db")
    lines = page.locator("#log .line .text")
    expect(lines.first).to_be_visible(timeout=PATIENCE)

    append(stack, "db", HOSTILE, *(f"INFO line {number}" for number in range(100)))
    expect(lines.last).to_have_text("INFO line 99", timeout=PATIENCE)
    page.keyboard.press("p")
    append(stack, "db", "ERROR later")
    expect(page.locator("[data-new]")).to_have_text("1 new", timeout=PATIENCE)
    page.keyboard.press("f")
    expect(lines.last).to_have_text("ERROR later", timeout=PATIENCE)

    hostile = page.locator("#log .line", has_text="onerror")
    expect(hostile.locator(".text")).to_have_text(
        "<img src=x onerror=\"document.title='broken'\">redlink", timeout=PATIENCE
    )
    expect(hostile.locator(".ansi-red")).to_have_text("red", timeout=PATIENCE)
    assert page.locator("#log img, #log a").count() == 0
    for mode in ("local", "UTC", "relative"):
        expect(page.locator("[data-times]")).to_have_text(f"Times: {mode}", timeout=PATIENCE)
        page.keyboard.press("t") if mode != "relative" else page.reload()
    expect(page.locator("#log time").first).to_have_text("+0.000 s", timeout=PATIENCE)
    last = page.locator("#log time").last
    last.hover()
    expect(last).to_have_attribute("title", re.compile(r"\d:\d\d:\d\d"), timeout=PATIENCE)
    page.evaluate("localStorage.clear()")
    page.get_by_label("Level").select_option("error")
    expect(lines).to_have_text(["ERROR later"], timeout=PATIENCE)
    assert "level=error" in page.url
    page.reload()
    expect(lines).to_have_text(["ERROR later"], timeout=PATIENCE)


def test_a_value_is_included_and_excluded_with_one_click_and_a_link_shows_the_line(
    tab: Tab, stack: Stack
) -> None:
    page = tab.open("/logs?service=db")
    lines = page.locator("#log .line .text")
    append(stack, "db", '{"level":"info","user":"ann"}', '{"level":"info","user":"bob"}')
    expect(lines.last).to_contain_text("bob", timeout=PATIENCE)

    page.locator("#log .line", has_text="bob").click()
    selected = page.url
    page.get_by_role("button", name="No lines with this value: user bob").click()
    expect(lines.filter(has_text="bob")).to_have_count(0, timeout=PATIENCE)
    assert "exclude=user%3Dbob" in page.url
    page.reload()
    page.get_by_role("button", name="Remove the filter user=bob").click()
    expect(lines.filter(has_text="bob")).to_have_count(1, timeout=PATIENCE)
    page.locator("#log .line", has_text="ann").click()
    page.get_by_role("button", name="Only lines with this value: user ann").click()
    expect(lines).to_have_text(['{"level":"info","user":"ann"}'], timeout=PATIENCE)
    page.goto(selected)

    expect(page.locator("#log .line.selected .text")).to_contain_text("bob", timeout=PATIENCE)


def test_the_pages_are_operated_with_keys_and_the_theme_is_kept(tab: Tab) -> None:
    page = tab.open("/")
    has_keys(page, "Services")

    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    has_keys(page, "api")
    page.keyboard.press("g")
    page.keyboard.press("l")
    has_keys(page, "Logs")
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused(timeout=PATIENCE)
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible(timeout=PATIENCE)
    page.keyboard.press("Escape")
    page.locator("[data-theme-switch]").click()
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.evaluate("localStorage.clear()")


def test_enter_operates_the_focused_button_on_a_page_with_an_own_key(tab: Tab) -> None:
    page = tab.open("/logs")
    expect(page.locator("#log .line").first).to_be_visible(timeout=PATIENCE)

    wrap = page.get_by_role("button", name="Wrap")
    wrap.focus()
    page.keyboard.press("Enter")
    expect(wrap).to_have_attribute("aria-pressed", "true", timeout=PATIENCE)
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Graph").focus()
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("Graph", timeout=PATIENCE)


def has_keys(page: Page, title: str) -> None:
    """Wait until a page is shown and its scripts, which write the name of the theme, have run."""
    expect(page.get_by_role("heading", level=1)).to_have_text(title, timeout=PATIENCE)
    expect(page.locator("[data-theme-word]")).to_have_text("Theme: system", timeout=PATIENCE)


def test_eight_tabs_of_one_browser_work_because_hidden_pages_have_no_stream(
    tab: Tab, context: BrowserContext
) -> None:
    others = [context.new_page() for _ in range(TABS - 1)]
    for other in others:
        other.set_default_timeout(PATIENCE)
        other.goto(f"{tab.url}/graph")
        expect(other.locator(".node").first).to_be_visible(timeout=PATIENCE)
        hide(other)
    page = tab.open("/logs")
    expect(page.locator("#log .line").first).to_be_visible(timeout=PATIENCE)
    hide(page)

    # All connections of the browser but one have a stream; the last one must be free for the request.
    status = page.evaluate(
        """async ([number, patience]) => {
            const streams = Array.from({ length: number }, () => new EventSource("/api/v1/streams/logs"));
            await Promise.all(streams.map((each) => new Promise((opened) => { each.onopen = opened; })));
            const answer = await fetch("/health", { signal: AbortSignal.timeout(patience) });
            for (const each of streams) each.close();
            return answer.status;
        }""",
        [CONNECTIONS - 1, PATIENCE],
    )
    assert status == 200
    for other in others:
        other.close()


def hide(page: Page) -> Any:
    """Hide a page for its scripts, as when the user selects another tab."""
    return page.evaluate(
        "Object.defineProperty(document, 'hidden', { value: true });"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
