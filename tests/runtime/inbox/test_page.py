"""The page of the inbox in a browser: what it requests, and what it shows."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest

from infra_runtime.inbox.api import Api
from infra_runtime.inbox.requests import LIMIT, Request, Response
from infra_runtime.inbox.server import Connections
from infra_runtime.inbox.store import Store

CHROMIUM = shutil.which("chromium")
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

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


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
            *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-component-update", *options),
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


def test_the_html_of_a_message_is_shown_and_never_executed(tmp_path: Path) -> None:
    with inbox(tmp_path, mail("Order", "Your order 17", ACTIVE)) as (api, address):
        page = browser(tmp_path, f"{address}#{api.numbers[0]}")

    assert shown(page) == {"html"}
    assert f"/api/messages/{api.numbers[0]}/html" in api.requests
    assert [path for path in api.requests if "executed" in path] == []
    assert '<a href="https://shop.test/orders/17"' in page
    assert "javascript:" not in page


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
