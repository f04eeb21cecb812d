"""The process of the dashboard: its key, and its socket of the IPv6 loopback address."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("jinja2", reason="the minimal profile has no templates")
pytest.importorskip("starlette", reason="the minimal profile has no web framework")
pytest.importorskip("uvicorn", reason="the minimal profile has no web server")

from infra_runtime.dashboard.server import ipv6_socket, key_of
from infra_runtime.errors import ConfigurationError


@pytest.mark.parametrize("key", ["", "hunter2", "changeme", "0" * 64, "abcabc" * 10])
def test_a_key_that_can_be_guessed_is_refused(tmp_path: Path, key: str) -> None:
    (tmp_path / "key.secret").write_text(key, encoding="ascii")

    with pytest.raises(ConfigurationError, match="can be guessed") as error:
        key_of(tmp_path)

    assert not key or key not in str(error.value)


def test_a_random_key_is_accepted(tmp_path: Path) -> None:
    key = secrets.token_hex(32)
    (tmp_path / "key.secret").write_text(f"{key}\n", encoding="ascii")

    assert key_of(tmp_path) == key


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of the IPv6 loopback address on which another program listens."""
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError as error:
        pytest.skip(f"the machine has no IPv6: {error}")
    with listener:
        yield listener.getsockname()[1]


@pytest.mark.process
def test_a_port_that_another_program_has_taken_for_ipv6_is_refused(taken: int) -> None:
    with pytest.raises(ConfigurationError, match=rf"another process listens on \[::1\]:{taken}"):
        ipv6_socket(taken)


@pytest.mark.process
def test_a_browser_that_prefers_ipv6_connects_to_the_dashboard(taken: int) -> None:
    with socket.socket(socket.AF_INET6) as free:
        free.bind(("::1", 0))
        port = free.getsockname()[1]

    (listener,) = ipv6_socket(port)

    with listener, socket.create_connection(("::1", port)) as browser:
        assert browser.getpeername()[:2] == ("::1", port)
