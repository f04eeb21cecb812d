"""Services that start at the first connection: the supervisor listens for them, and they get the sockets."""

from __future__ import annotations

import contextlib
import socket
import sys
from typing import Any

import pytest

from fakes.stacks import kill, until
from infra_runtime.engines.local.stack import Stack
from infra_runtime.host.ports import taken
from infra_runtime.spec import ServiceSpec

pytestmark = pytest.mark.process
#: a server that answers each connection with its pid, and exits after a connection that sends `exit`
SERVER = """
import os, socket, sys
pairs = dict(pair.split("=") for pair in os.environ["INFRA_SOCKETS"].split(","))
server = socket.socket(fileno=int(pairs["main"]))
server.setblocking(True)
while True:
    client, _ = server.accept()
    client.settimeout(60)
    client.sendall(str(os.getpid()).encode())
    if client.recv(10) == b"exit":
        sys.exit(3)
    client.close()
"""


def lazy(*command: str) -> ServiceSpec:
    return ServiceSpec(
        name="lazy",
        command=command or (sys.executable, "-c", SERVER),
        ports={"main": 18471, "other": 18472},
        starts_on_connection=True,
        exports={"url": "tcp://${host}:${port.main}"},
    )


def state(stack: Stack) -> Any:
    (service,) = stack.status().services
    return service


def asked(port: int, text: bytes = b"") -> int:
    """Return the pid of the process that answers on a port; 0 if it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        answer = client.recv(20)
        client.sendall(text or b"x")
        return int(answer or 0)


def test_the_process_starts_at_the_first_connection_and_then_serves_all(stack_of: Any) -> None:
    stack = stack_of(lazy())
    before = state(stack)

    first, second = asked(stack.lazy.ports["main"]), asked(stack.lazy.ports["main"])

    assert (before.phase, before.pid) == ("ready", 0)
    assert first == second == state(stack).pid


def test_a_connection_to_any_of_the_ports_starts_the_process(stack_of: Any) -> None:
    stack = stack_of(lazy())

    with socket.create_connection(("127.0.0.1", stack.lazy.ports["other"]), timeout=60):
        until(lambda: state(stack).pid)


def test_a_service_that_was_not_used_stops_at_once_and_frees_its_ports(stack_of: Any) -> None:
    stack = stack_of(lazy())

    proof = stack.finish()

    assert proof is not None
    assert proof.clean


def test_a_service_that_was_used_stops_and_frees_its_ports(stack_of: Any) -> None:
    stack = stack_of(lazy())
    asked(stack.lazy.ports["main"])

    proof = stack.finish()

    assert proof is not None
    assert proof.clean


def test_after_a_crash_the_next_connection_starts_the_process_again(stack_of: Any) -> None:
    stack = stack_of(lazy())
    port = stack.lazy.ports["main"]
    first = asked(port, b"exit")
    until(lambda: state(stack).pid == 0 and state(stack).phase == "ready")

    second = asked(port)

    assert first != second
    assert state(stack).restarts == 1


def test_a_restart_and_a_kill_of_an_unused_service_need_no_process(stack_of: Any) -> None:
    stack = stack_of(lazy())

    stack.restart("lazy")
    assert asked(stack.lazy.ports["main"])
    stack.stop("lazy")
    assert state(stack).phase == "stopped"


def test_a_command_that_cannot_be_executed_fails_at_the_first_connection(stack_of: Any) -> None:
    stack = stack_of(lazy("/missing/program"))

    with contextlib.suppress(ConnectionError):
        socket.create_connection(("127.0.0.1", stack.lazy.ports["main"]), timeout=60).close()
    until(lambda: state(stack).phase == "failed")

    assert "cannot start /missing/program" in state(stack).reason


def test_no_port_stays_open_after_the_supervisor_is_killed(stack_of: Any) -> None:
    stack = stack_of(lazy())
    port = stack.lazy.ports["main"]
    asked(port)

    kill(stack.status().pid)

    until(lambda: taken(port) is None)
