"""The process of the dashboard, which runs uvicorn on the socket that the supervisor has opened."""

from __future__ import annotations

import asyncio
import errno
import functools
import os
import socket
from pathlib import Path

from infra_runtime.asgi_server import AsgiServer
from infra_runtime.config.resolve import data_directory
from infra_runtime.dashboard import history, settings
from infra_runtime.dashboard.api_checks import ApiChecks
from infra_runtime.dashboard.application import application
from infra_runtime.dashboard.context import Dashboard
from infra_runtime.dashboard.error_counts import ErrorCounts
from infra_runtime.dashboard.sessions import Sessions
from infra_runtime.dashboard.stack import Stack, SupervisorLink
from infra_runtime.dashboard.usage import UsageMeter
from infra_runtime.data_directory.paths import Paths
from infra_runtime.errors import ConfigurationError, InfraError
from infra_runtime.host import processes
from infra_runtime.web.audit import AuditLog

#: the smallest number of characters of a key, and of different characters; random keys have 64 and about 16
KEY_CHARACTERS, KEY_DIFFERENT = 32, 8
IPV6_LOOPBACK = "::1"


async def serve(
    sockets: list[socket.socket], *, name: str, port: int, data: Path, root: Path, folder: Path
) -> None:
    """Serve requests on listening sockets until SIGTERM or SIGINT; `folder` contains the key and sessions."""
    paths = Paths(str(data))
    stack = Stack(SupervisorLink(paths), UsageMeter(), ErrorCounts(Path(paths.logs), _start_of(paths)))
    dashboard = Dashboard(
        name=name,
        port=port,
        root=root,
        paths=paths,
        key=key_of(folder),
        stack=stack,
        sessions=Sessions(folder / "sessions.json", os.environ.get(processes.TOKEN, "")),
        audit=AuditLog(folder / "audit.jsonl"),
        configuration=functools.partial(settings.read, root, data),
        apis=ApiChecks(root),
        reports=_report_folders(root, data),
    )
    sockets = [*sockets, *ipv6_socket(port)]
    stack.follow()
    print(f"{dashboard.url}: `infra runtime open {name}` opens a login link", flush=True)
    sampling = asyncio.create_task(stack.sample())
    # The streams end at SIGTERM, before the server waits for open requests. `Guard` adds the header `Date`.
    server = AsgiServer(application(dashboard), stopping=dashboard.closing)
    await server.serve(sockets=sockets)
    sampling.cancel()


def ipv6_socket(port: int) -> list[socket.socket]:
    """Return a list with a socket that listens on `[::1]:PORT`; empty on a machine without IPv6.

    Browsers connect to `NAME.localhost` on this IPv6 address first. Without the socket, a program of another
    user could listen on the address, and would receive login links and cookies of the dashboard.

    Raises `ConfigurationError` if another process already listens on the address.
    """
    try:
        listener = socket.socket(socket.AF_INET6)
    except OSError:
        return []
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((IPV6_LOOPBACK, port))
        listener.listen()
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRNOTAVAIL:
            return []
        raise ConfigurationError(
            f"another process listens on [{IPV6_LOOPBACK}]:{port}, and browsers would send it the requests "
            f"for the dashboard: {error.strerror}",
            hint="Stop the process, or choose another port in `services.dashboard.ports.http`.",
        ) from None
    return [listener]


def _start_of(paths: Paths) -> float:
    """Return the start of the stack in Unix seconds; 0 if it is not known."""
    return next(iter(history.starts(paths.journal)), 0.0)


def key_of(folder: Path) -> str:
    """Return the key of the dashboard, which the supervisor has created.

    Raises `ConfigurationError` if the key can be guessed, for example because it is empty or too short.
    """
    path = folder / "key.secret"
    key = path.read_text(encoding="ascii").strip()
    if len(key) < KEY_CHARACTERS or len(set(key)) < KEY_DIFFERENT:
        raise ConfigurationError(
            f"the key in {path} can be guessed: it has {len(key)} characters, "
            f"{len(set(key))} of them different",
            hint="Remove the file; the next start of the dashboard creates a random key.",
        )
    return key


def _report_folders(root: Path, data: Path) -> tuple[Path, ...]:
    """Return the data directory of this stack and that of the project's tests.

    If the stack file is not valid, return only the data directory of this stack.
    """
    try:
        return data, data_directory(root, environment="test")
    except InfraError:  # the stack file is not valid at the moment
        return (data,)
