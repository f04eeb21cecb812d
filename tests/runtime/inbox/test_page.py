"""The page of the inbox in a browser: what it requests, and what it shows.

The variable INFRA_SCREENSHOTS is a folder in which the screenshots are kept.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest

from fakes.chromium import NEEDED, chromium
from fakes.stacks import until
from infra_runtime.inbox.api import Api
from infra_runtime.inbox.requests import LIMIT, Request, Response
from infra_runtime.inbox.server import Connections
from infra_runtime.inbox.store import Store

#: milliseconds for a condition on a busy machine
PATIENCE = 60_000
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


@contextmanager
def inbox(folder: Path, *messages: EmailMessage) -> Iterator[tuple[Recording, str]]:
    """Serve messages; yield the answers and the address of the page."""
    store = Store(folder / "messages", max_messages=10, max_bytes=10_000_000)
    api, loop = Recording(store), asyncio.new_event_loop()

    async def serve() -> asyncio.Server:
        store.load()
        for message in messages:
            added = await store.add(
                bytes(message), sender="shop@example.test", recipients=["ann@example.test"]
            )
            api.numbers.append(added.id)
        return await asyncio.start_server(Connections(api).handle, "127.0.0.1", 0, limit=LIMIT)

    async def end() -> None:
        server.close()
        await server.wait_closed()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await loop.shutdown_default_executor()

    server = loop.run_until_complete(serve())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield api, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(end())
        loop.close()


def browser(folder: Path, address: str) -> str:
    """Open a page in Chromium, and return its elements."""
    options = ("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
    result = subprocess.run(
        [
            *(chromium(), "--headless", "--no-sandbox", "--disable-component-update", *options),
            *(f"--user-data-dir={folder}/browser", "--virtual-time-budget=300", "--dump-dom", address),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=120,
        check=False,
    )
    return result.stdout


def mail(subject: str, text: str, html: str = "") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "shop@example.test", "ann@example.test", subject
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    return message


def shown(page: str) -> set[str]:
    """Return the views of a message that the page does not hide."""
    views = {name: re.search(rf'<\w+ id="{name}"[^>]*>', page) for name in ("html", "text", "headers")}
    return {name for name, tag in views.items() if tag and " hidden" not in tag[0]}


def test_the_page_shows_the_newest_message_first_and_then_waits(tmp_path: Path) -> None:
    with inbox(tmp_path, mail("first", "1"), mail("<b>second</b>", "2")) as (api, address):
        page = browser(tmp_path, address)

    assert {path for path in api.requests if path.startswith("/api")} == {
        "/api/messages",
        f"/api/messages?after={api.numbers[1]}&wait=50",
    }
    assert "2 of 2 messages" in page
    assert 0 < page.index("&lt;b&gt;second&lt;/b&gt;") < page.index("<b>first</b>")
    assert "Select a message." in page


@pytest.mark.parametrize("width", [390, 1280])
def test_each_view_of_a_message_fits_the_window_and_its_html_is_never_executed(
    tmp_path: Path, width: int
) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="the browser is controlled by Playwright")
    message = mail("Order 17, " + "with a long subject, " * 10, "Your order 17", ACTIVE)
    message.add_attachment(b"a,b\n", maintype="text", subtype="csv", filename="order.csv")
    with inbox(tmp_path, message) as (api, address), playwright.sync_playwright() as control:
        opened = control.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        page = opened.new_page(viewport={"width": width, "height": 800})
        page.set_default_timeout(PATIENCE)
        page.goto(address)

        page.get_by_text("Order 17, with").first.click()
        page.frame_locator("#html").get_by_text("Your order").wait_for()
        html = page.evaluate("document.documentElement.scrollWidth")
        page.get_by_role("button", name="Text", exact=True).click()
        page.locator("#text", has_text="Your order 17").wait_for()
        page.get_by_role("button", name="Headers").click()
        page.get_by_role("cell", name="ann@example.test").wait_for()
        headers = page.evaluate("document.documentElement.scrollWidth")
        links = {link.get_attribute("href") for link in page.locator("#links a").all()}
        if folder := os.environ.get("INFRA_SCREENSHOTS"):
            page.get_by_role("button", name="HTML").click()
            page.screenshot(path=f"{folder}/inbox-{width}.png", full_page=True)
        opened.close()

    assert max(html, headers) <= width
    assert links == {"https://shop.test/orders/17"}
    assert [path for path in api.requests if "executed" in path] == []


def test_a_row_keeps_the_focus_when_the_list_is_loaded_again(tmp_path: Path) -> None:
    """Otherwise a click is lost, too, if the list is loaded between its press and its release."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the browser is controlled by Playwright")
    with inbox(tmp_path, mail("Report", "text")) as (api, address), playwright.sync_playwright() as control:
        opened = control.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        page = opened.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(address)
        page.get_by_role("button", name="Report").focus()
        loaded = api.requests.count("/api/messages")
        until(lambda: api.requests.count("/api/messages") > loaded + 1)

        focused = page.evaluate("document.activeElement.dataset.id")
        opened.close()

    assert focused == str(api.numbers[0])


def test_a_message_without_html_is_shown_as_text_with_its_attachments(tmp_path: Path) -> None:
    message = mail("Report", "<script>fetch('/executed')</script>\nsee https://shop.test/report")
    message.add_attachment(b"a,b\n", maintype="text", subtype="csv", filename="<i>.csv")
    with inbox(tmp_path, message) as (api, address):
        page = browser(tmp_path, f"{address}#{api.numbers[0]}")

    assert shown(page) == {"text"}
    assert "&lt;script&gt;fetch('/executed')&lt;/script&gt;" in page
    assert (
        f'<a href="/api/messages/{api.numbers[0]}/attachments/0">&lt;i&gt;.csv</a> text/csv, 4 bytes' in page
    )
    assert '<a href="https://shop.test/report"' in page
    assert [path for path in api.requests if "executed" in path] == []
