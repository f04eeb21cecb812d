"""The page of the inbox in a browser: what it requests, and what it shows.

The variable INFRA_SCREENSHOTS is a folder in which the screenshots are kept.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="the browser tests need Playwright")

from playwright.sync_api import Browser, Page, expect

from fakes.chromium import NEEDED, PATIENCE
from fakes.stacks import until
from infra_runtime.inbox.api import Api
from infra_runtime.inbox.requests import LIMIT, Request, Response
from infra_runtime.inbox.server import Connections
from infra_runtime.inbox.store import Store

#: ways in which HTML can execute code or load something; each would request a path with `executed`
ACTIVE = """
<h2>Your order</h2>
<script>fetch("/executed-script"); new Image().src = "/executed-image"</script>
<img src="/executed-load"><img src="data:," onerror="fetch('/executed-event')">
<svg onload="fetch('/executed-svg')"></svg>
<iframe srcdoc="<script>fetch('/executed-frame')</script>"></iframe>
<object data="/executed-object"></object><embed src="/executed-embed">
<link rel="stylesheet" href="/executed-style"><style>@import "/executed-import"; h2 { color: red }</style>
<meta http-equiv="refresh" content="0;url=/executed-refresh">
<form action="/executed-form"><input autofocus onfocus="this.form.submit()"></form>
<a href="https://shop.test/orders/17">the order</a>
<a href="javascript:fetch('/executed-link')">another link</a>
"""

pytestmark = [pytest.mark.process, NEEDED]


class Recording(Api):
    """The answers of the inbox, which records the requests; a request for the next message waits shortly."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.requests: list[str] = []
        #: the numbers of the messages, the oldest first
        self.numbers: list[int] = []

    async def answer(self, request: Request) -> Response:
        words = [f"{name}={value}" for name, value in request.parameters.items()]
        self.requests.append("?".join((request.path, *filter(None, ["&".join(words)]))))
        if "wait" in request.parameters:
            request = replace(request, parameters={**request.parameters, "wait": "0.3"})
        return await super().answer(request)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.set_default_timeout(PATIENCE)
    yield page
    page.close()


@contextmanager
def inbox(folder: Path, *messages: EmailMessage) -> Iterator[tuple[Recording, str]]:
    """Serve messages in a thread; yield the answers and the address of the page."""
    store = Store(folder / "messages", max_messages=10, max_bytes=10_000_000)
    api, loop, end, ports = Recording(store), asyncio.new_event_loop(), asyncio.Event(), list[int]()
    started = threading.Event()

    async def serve() -> None:
        store.load()
        for message in messages:
            added = await store.add(
                bytes(message), sender="shop@example.test", recipients=["ann@example.test"]
            )
            api.numbers.append(added.id)
        server = await asyncio.start_server(Connections(api).handle, "127.0.0.1", 0, limit=LIMIT)
        ports.append(server.sockets[0].getsockname()[1])
        started.set()
        await end.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await loop.shutdown_default_executor()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert started.wait(300)
    try:
        yield api, f"http://127.0.0.1:{ports[0]}/"
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()
        loop.close()


def mail(subject: str, text: str, html: str = "") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "shop@example.test", "ann@example.test", subject
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    return message


def test_the_page_shows_the_newest_message_first_and_then_waits(page: Page, tmp_path: Path) -> None:
    with inbox(tmp_path, mail("first", "1"), mail("<b>second</b>", "2")) as (api, address):
        waits = f"/api/messages?after={api.numbers[1]}&wait=50"
        page.goto(address)

        expect(page.locator("#list b")).to_have_text(["<b>second</b>", "first"], timeout=PATIENCE)
        expect(page.get_by_text("2 of 2 messages")).to_be_visible(timeout=PATIENCE)
        expect(page.get_by_text("Select a message.")).to_be_visible(timeout=PATIENCE)
        until(lambda: api.requests.count(waits) > 1)

    assert {path for path in api.requests if path.startswith("/api")} == {"/api/messages", waits}


def test_each_view_of_a_message_fits_the_window_and_its_html_is_never_executed(
    page: Page, tmp_path: Path
) -> None:
    message = mail("Order 17, " + "with a long subject, " * 10, "Your order 17", ACTIVE)
    message.add_attachment(b"a,b\n", maintype="text", subtype="csv", filename="order.csv")
    with inbox(tmp_path, message) as (api, address):
        page.goto(address)

        page.get_by_text("Order 17, with").first.click()
        page.frame_locator("#html").get_by_text("Your order").wait_for()
        too_wide = {"html": excess(page, "html")}
        page.get_by_role("button", name="Text", exact=True).click()
        page.locator("#text", has_text="Your order 17").wait_for()
        page.get_by_role("button", name="Headers").click()
        page.get_by_role("cell", name="ann@example.test").wait_for()
        too_wide["headers"] = excess(page, "headers")
        links = {link.get_attribute("href") for link in page.locator("#links a").all()}

    assert too_wide == {"html": {}, "headers": {}}
    assert links == {"https://shop.test/orders/17"}
    assert [path for path in api.requests if "executed" in path] == []


def excess(page: Page, view: str) -> dict[int, int]:
    """Return a mapping from the widths of the window for which the page is too wide to its own width."""
    widths = {}
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 800})
        widths[width] = page.evaluate("document.documentElement.scrollWidth")
        if folder := os.environ.get("INFRA_SCREENSHOTS"):
            page.screenshot(path=f"{folder}/inbox-{view}-{width}.png", full_page=True)
    return {width: shown for width, shown in widths.items() if shown > width}


def test_a_row_keeps_the_focus_when_the_list_is_loaded_again(page: Page, tmp_path: Path) -> None:
    """Otherwise a click is lost, too, if the list is loaded between its press and its release."""
    with inbox(tmp_path, mail("Report", "text")) as (api, address):
        page.goto(address)
        page.get_by_role("button", name="Report").focus()
        loaded = api.requests.count("/api/messages")
        until(lambda: api.requests.count("/api/messages") > loaded + 1)

        focused = page.evaluate("document.activeElement.dataset.id")

    assert focused == str(api.numbers[0])


def test_a_message_without_html_is_shown_as_text_with_its_attachments(page: Page, tmp_path: Path) -> None:
    text = "<script>fetch('/executed')</script>\nsee https://shop.test/report"
    message = mail("Report", text)
    message.add_attachment(b"a,b\n", maintype="text", subtype="csv", filename="<i>.csv")
    with inbox(tmp_path, message) as (api, address):
        page.goto(f"{address}#{api.numbers[0]}")

        expect(page.locator("#text")).to_have_text(text, timeout=PATIENCE)
        expect(page.locator("#text")).to_be_visible(timeout=PATIENCE)
        for view in ("#html", "#headers"):
            expect(page.locator(view)).to_be_hidden(timeout=PATIENCE)
        attachment = page.locator("#attachments")
        expect(attachment).to_have_text("<i>.csv text/csv, 4 bytes", timeout=PATIENCE)
        expect(attachment.get_by_role("link")).to_have_attribute(
            "href", f"/api/messages/{api.numbers[0]}/attachments/0", timeout=PATIENCE
        )
        expect(page.locator("#links a")).to_have_attribute(
            "href", "https://shop.test/report", timeout=PATIENCE
        )

    assert [path for path in api.requests if "executed" in path] == []
