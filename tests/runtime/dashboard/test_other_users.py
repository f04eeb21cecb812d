"""Another user of the machine, who can connect to the port of the dashboard."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("jinja2", reason="the minimal profile has no templates")
pytest.importorskip("uvicorn", reason="the minimal profile has no web server")
pytest.importorskip("httpx", reason="the minimal profile has no HTTP client")

import uvicorn

from fakes.dashboard import HOST, Site, service
from fakes.users import MALLORY, run_as
from infra_runtime.dashboard.application import application
from infra_runtime.data_directory import session_record
from infra_runtime.data_directory.session_record import Writer

pytestmark = pytest.mark.process

ASK = f"""
for path, method in (("/", "GET"), ("/api/v1/tests/sessions", "GET"), ("/api/v1/streams/logs", "GET"),
                     ("/api/v1/login-links", "POST"), ("/api/v1/services/db/stop", "POST")):
    with socket.create_connection(("127.0.0.1", int(arguments[0]))) as connection:
        connection.send(f"{{method}} {{path}} HTTP/1.1\\r\\nHost: {HOST}\\r\\nOrigin: http://{HOST}\\r\\n"
                        f"Content-Length: 0\\r\\nConnection: close\\r\\n\\r\\n".encode())
        print(connection.makefile().readline().split()[1])
"""
READ = """
for path in arguments:
    try:
        print(Path(path).read_bytes())
    except PermissionError:
        print("refused")
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can enter."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def site(folder: Path) -> Site:
    return Site(folder, service("db"))


@pytest.fixture
def port(site: Site) -> Iterator[int]:
    """The port of a dashboard that runs in a thread."""
    listening = socket.create_server(("127.0.0.1", 0))
    servers: list[uvicorn.Server] = []
    started = threading.Event()

    async def serve() -> None:
        config = uvicorn.Config(application(site.dashboard()), lifespan="off", log_level="error")
        servers.append(uvicorn.Server(config))
        started.set()
        await servers[0].serve(sockets=[listening])

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert started.wait(300)
    yield listening.getsockname()[1]
    servers[0].should_exit = True
    thread.join(60)
    listening.close()


def test_another_user_needs_a_login(site: Site, port: int) -> None:
    assert run_as(MALLORY, ASK, port).split() == ["401"] * 5
    assert site.supervisor.acted == []


def test_another_user_reads_neither_sessions_nor_records(site: Site, folder: Path) -> None:
    site.cookie()
    writer = Writer(Path(site.paths.data), 1_780_000_000.0)
    writer.close()

    paths = [folder / "sessions.json", writer.path]

    assert run_as(MALLORY, READ, *paths).split() == ["refused"] * 2


def test_the_record_of_another_user_is_not_read(site: Site) -> None:
    data = Path(site.paths.data)
    writer = Writer(data, 1_780_000_000.0)
    writer.write(['{"kind": "session", "format": 1, "time": 1, "pid": 1, "root": "/", "data": "/"}'])
    writer.close()
    assert len(session_record.listing([data]).sessions) == 1
    if os.geteuid() != 0:
        pytest.skip("only root can give a file to another user")

    os.chown(writer.path, MALLORY, MALLORY)

    assert session_record.listing([data]).sessions == ()
