"""What the contract suite shares: the exceptions from it, and what can be observed of a stack from outside.

A kind contributes `tests/kinds/NAME.py` with two functions, which use a real client or the wire protocol:
`write(endpoint, name, value)` and `read(endpoint, name)`, and gives None
for a name that was never written.
Both take the whole service or a test's isolation unit, and open and close their own connections. A kind whose
server answers a write before the kernel has it also has `settled(endpoint)`: whether that is done.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import psutil

from fakes.stacks import alive, until
from infra_runtime.data_directory import journal
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.stack import Endpoint

#: kind → clause (the name of its test) → why the kind does not keep it. The test runs all the same and must
#: fail: an exception that is no longer needed fails the suite.
EXCEPTIONS: Mapping[str, Mapping[str, str]] = {
    "caddy": {
        "test_data_of_development_survives_a_kill": (
            "its routes come from the stack file; one that the admin API added is in memory"
        ),
        "test_a_snapshot_brings_the_state_back": (
            "its routes come from the stack file; one that the admin API added is in memory"
        ),
    },
    "pocketbase": {
        "test_no_command_line_has_a_secret": (
            "`superuser upsert` takes the password as an argument, at the first start of a new seed"
        ),
    },
}
#: seconds that another process has for what it is about to do
PATIENCE = 120.0
#: what a failed test of the inner run leaves for the suite
NOTE = "unit-{number}.json"


def subject(kind: str) -> ModuleType:
    """Return the module with `write` and `read` of the kind."""
    return importlib.import_module(f"kinds.{kind.replace('-', '_')}")


def settle(kind: str, endpoint: Endpoint) -> None:
    """Wait until what was written is safe from a kill, for a kind whose server answers before that."""
    if hasattr(subject(kind), "settled"):
        until(lambda: subject(kind).settled(endpoint), PATIENCE)


# --- what runs -------------------------------------------------------------------------------------


def processes(data: Path) -> list[psutil.Process]:
    """Return what runs of the stack in `data`: supervisor, guardian, services, and their descendants."""
    run = Paths(str(data)).run
    services = set(alive(data))
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            if process.pid in services or run in process.cmdline():
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def supervisor(data: Path) -> int:
    """Return the process id of the last supervisor in `data`."""
    return [event["pid"] for event in journal.read(Paths(str(data)).journal) if event["event"] == "up"][-1]


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a running stack has of the machine: processes, open sockets, shared memory."""

    data: Path
    processes: tuple[psutil.Process, ...]
    #: inode numbers, by which /proc/net lists TCP, UDP and Unix sockets
    sockets: frozenset[str]
    #: files in /dev/shm
    memory: frozenset[str]

    def left(self) -> list[str]:
        """Return what still exists, or exists again, of the stack."""
        running = [process for process in (*self.processes, *processes(self.data)) if _runs(process)]
        segments = [
            segment for segment, creator in _segments() if creator in {it.pid for it in self.processes}
        ]
        run = Path(Paths(str(self.data)).run)  # of the socket files
        return [
            *(f"process {process.pid}" for process in dict.fromkeys(running)),
            *(f"socket {inode}" for inode in sorted(self.sockets & _open_sockets())),
            *(f"shared memory {path}" for path in sorted(self.memory) if Path(path).exists()),
            *(f"shared memory segment {segment}" for segment in segments),
            *([f"folder {run}"] if run.exists() else []),
        ]


def resources(data: Path) -> Resources:
    """Observe a running stack."""
    running = processes(data)
    return Resources(
        data=data,
        processes=tuple(running),
        sockets=frozenset(inode for process in running for inode in _sockets(process)),
        memory=frozenset(path for process in running for path in _shared_memory(process)),
    )


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _sockets(process: psutil.Process) -> Iterator[str]:
    for descriptor in Path(f"/proc/{process.pid}/fd").glob("*"):
        try:
            target = str(descriptor.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            yield target.removeprefix("socket:[").removesuffix("]")


def _open_sockets() -> set[str]:
    """Return the inode of every socket of this network namespace. Source: proc_net(5)."""
    found = set()
    for table in ("tcp", "tcp6", "udp", "udp6", "unix"):
        path = Path("/proc/net", table)
        if path.exists():
            head, *rows = path.read_text(encoding="utf-8").splitlines()
            column = 6 if "Inode" in head else 9
            found |= {row.split()[column] for row in rows}
    return found - {"0"}


def _shared_memory(process: psutil.Process) -> Iterator[str]:
    try:
        maps = process.memory_maps()
    except (psutil.Error, OSError):
        return
    yield from (part.path for part in maps if part.path.startswith("/dev/shm/"))


def _segments() -> Iterator[tuple[str, int]]:
    """Yield the number and the creator of each System V segment. Source: proc_sysvipc(5)."""
    table = Path("/proc/sysvipc/shm")
    if table.exists():
        head, *rows = [line.split() for line in table.read_text(encoding="ascii").splitlines()]
        for row in rows:
            yield row[head.index("shmid")], int(row[head.index("cpid")])


# --- secrets ---------------------------------------------------------------------------------------


def secrets(data: Path, *endpoints: Endpoint) -> set[str]:
    """Return every secret of the stack in `data` and of these endpoints: services or units."""
    files = Path(Paths(str(data)).services).rglob("*.secret")
    exported = (endpoint[name] for endpoint in endpoints for name in endpoint if "password" in name)
    return {text.strip() for text in (*(it.read_text(encoding="utf-8") for it in files), *exported)}


def disclosures(found: Iterable[str], texts: Mapping[str, str]) -> list[str]:
    """Return the names of those texts in which one of these secrets stands."""
    return [name for name, text in texts.items() if any(secret in text for secret in found)]


def files(*folders: Path) -> dict[str, str]:
    """Return the text of every file in these folders, by path."""
    paths = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {str(path): path.read_text(encoding="utf-8", errors="replace") for path in paths}


# --- the test of the inner run ---------------------------------------------------------------------

#: the suite of a user: two tests that write under the same name at the same time, and fail
FAILING = """
import pytest
from kinds import contract

@pytest.mark.parametrize("number", range(2))
def test_unit({fixture}, infra_stack, number):
    contract.note({kind!r}, {fixture}, infra_stack.data, number)
    pytest.fail("to have a report")
"""
#: the suite of a user that is killed in the middle of a test
WAITING = """
import time
from kinds import contract

def test_unit({fixture}, infra_stack):
    contract.note({kind!r}, {fixture}, infra_stack.data, 0, others=0)
    time.sleep(600)
"""


def note(kind: str, unit: Endpoint, data: Path, number: int, others: int = 1) -> None:
    """Write into the unit, meet the other test, and note what is read and which secrets exist."""
    service = subject(kind)
    before = service.read(unit, "name")
    service.write(unit, "name", value(number))
    Path(f"written-{number}").touch()
    until(lambda: len(list(Path().glob("written-*"))) > others, PATIENCE)
    found = {
        "worker": os.environ.get("PYTEST_XDIST_WORKER", ""),
        "data": str(data),
        "before": before,
        "read": service.read(unit, "name"),
        "secrets": sorted(secrets(data, unit)),
    }
    path = Path(NOTE.format(number=number))
    path.with_suffix(".new").write_text(json.dumps(found), encoding="utf-8")
    path.with_suffix(".new").rename(path)


def value(number: int) -> str:
    """Return the value that the test of this number writes."""
    return f"value-of-test-{number}"
