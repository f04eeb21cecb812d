"""Several programs as one service: the order of their start, and their common end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes.stacks import until
from fakes.suite import free_port
from infra_runtime import program_group

pytestmark = pytest.mark.process

#: seconds that another process has
PATIENCE = 60.0
#: Listen on a port, and write a line for each signal and for the start to the log.
SERVER = """
import signal, socket, sys
name, port, log = sys.argv[1:]
def stop(number, frame):
    open(log, "a").write(f"{name} {signal.Signals(number).name}\\n")
    sys.exit()
signal.signal(signal.SIGTERM, stop)
listener = socket.create_server(("127.0.0.1", int(port)))
open(log, "a").write(f"{name} started\\n")
signal.pause()
"""
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a group; its processes are killed after the test."""
    groups: list[subprocess.Popen[str]] = []

    def begin(*programs: dict) -> subprocess.Popen[str]:
        file = tmp_path / "programs.json"
        file.write_text(json.dumps({"host": "127.0.0.1", "programs": programs}), encoding="utf-8")
        groups.append(
            subprocess.Popen(
                [sys.executable, "-P", "-m", "infra_runtime.program_group", str(file)],
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return groups[-1]

    yield begin
    for group in groups:
        group.terminate()
        group.communicate(timeout=PATIENCE)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The file with the lines of all programs."""
    return tmp_path / "log"


def server(name: str, port: int, log: Path, **fields: object) -> dict:
    return {"name": name, "command": [sys.executable, "-c", SERVER, name, str(port), str(log)], **fields}


def lines(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8").splitlines() if log.exists() else []


def test_programs_start_when_the_ports_before_them_accept_connections_and_stop_in_reverse_order(
    start: Start, log: Path
) -> None:
    first, second = free_port(), free_port()

    group = start(
        server("store", first, log), server("gateway", second, log, after=[str(first)], stop="SIGTERM")
    )
    until(lambda: len(lines(log)) == 2, PATIENCE)
    group.send_signal(signal.SIGTERM)

    assert group.wait(PATIENCE) == 0
    assert lines(log) == ["store started", "gateway started", "gateway SIGTERM", "store SIGTERM"]


def test_when_a_program_exits_the_others_are_killed_and_the_group_fails(start: Start, log: Path) -> None:
    port = free_port()

    group = start(
        server("store", port, log),
        {"name": "broken", "command": [sys.executable, "-c", "raise SystemExit(3)"], "after": [str(port)]},
    )
    _, output = group.communicate(timeout=PATIENCE)

    assert group.returncode == 1
    assert output == "broken exited unexpectedly; the other programs of the service are killed\n"
    assert lines(log) == ["store started"]


def test_a_program_that_exits_before_its_port_is_open_ends_the_group(start: Start, log: Path) -> None:
    group = start(
        {"name": "store", "command": [sys.executable, "-c", ""]},
        server("gateway", free_port(), log, after=[str(free_port())]),
    )

    assert group.wait(PATIENCE) == 1
    assert lines(log) == []


def test_a_stop_before_all_programs_have_started_ends_the_group(start: Start, log: Path) -> None:
    port = free_port()
    group = start(server("store", port, log), server("gateway", free_port(), log, after=[str(free_port())]))
    until(lambda: lines(log) == ["store started"], PATIENCE)

    group.send_signal(signal.SIGTERM)

    assert group.wait(PATIENCE) == 0
    assert lines(log) == ["store started", "store SIGTERM"]


def test_a_program_that_ignores_its_stop_signal_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program_group, "PATIENCE", 0.0)
    deaf = program_group.Program(name="deaf", command=(sys.executable, "-c", DEAF))
    pid = os.posix_spawn(deaf.command[0], deaf.command, os.environ)

    program_group._stop(pid, deaf)

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
