"""The page of the inbox in a browser: what it requests, and what it shows."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from fakes.chromium import NEEDED, chromium

TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css"}
#: two messages, the oldest first, as the API returns them
MESSAGES = [
    {
        "id": number,
        "subject": subject,
        "author": "a@example.test",
        "sender": "a@example.test",
        "recipients": ["b@example.test"],
        "received": 1.0,
        "size": 10,
    }
    for number, subject in ((7, "first"), (8, "<b>second</b>"))
]

pytestmark = [pytest.mark.process, NEEDED]


class Inbox(ThreadingHTTPServer):
    """A server with the files of the page, which records the requests for messages."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: Inbox

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/api/messages":
            self.server.requests.append(url.query)
            after = int(parse_qs(url.query).get("after", ["0"])[0])
            messages = [message for message in MESSAGES if message["id"] > after]
            if not messages:
                time.sleep(0.3)  # the server waits for a new message
            body = json.dumps({"messages": messages, "total": 2, "dropped": 0}).encode()
            self._answer("application/json", body)
        else:
            file = files("infra_runtime.inbox") / "page" / (url.path.strip("/") or "index.html")
            self._answer(TYPES[Path(str(file)).suffix], file.read_bytes())

    def _answer(self, type_: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", type_)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with Inbox() as server:
        threading.Thread(target=server.serve_forever).start()
        yield server
        server.shutdown()


def test_the_page_shows_the_newest_message_first_and_then_waits(inbox: Inbox, tmp_path: Path) -> None:
    result = subprocess.run(
        [
            chromium(),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            f"--user-data-dir={tmp_path}",
            "--virtual-time-budget=300",
            "--dump-dom",
            f"http://127.0.0.1:{inbox.server_port}/",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=120,
        check=False,
    )

    assert {*inbox.requests} == {"", "after=8&wait=50"}
    page = result.stdout
    assert "2 of 2 messages" in page
    assert 0 < page.index("&lt;b&gt;second&lt;/b&gt;") < page.index("<b>first</b>")
    assert "Select a message." in page
