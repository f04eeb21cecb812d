"""Find what a killed stack has left: processes, ports, sockets, shared memory, control groups, files."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from infra_runtime.data_directory import journal, memory_folder
from infra_runtime.host import cgroup, memory, processes, shared_memory
from infra_runtime.host.ports import holder, taken

#: the variable by which a round finds the processes that it has started; its value is the round's project
MARK = "INFRA_SOAK_ROUND"
#: the names of files and folders that exist only during a change
TEMPORARY = re.compile(r".*\.(new|old|removed)$")
#: the token in the name of a control group
TOKEN = re.compile(r"/infra-([0-9a-f]{16})\b")


def words(pid: int) -> str:
    """Return the command line of a process as text; the text is empty if the process has exited."""
    return _text(f"/proc/{pid}/cmdline").replace("\0", " ")


def is_guardian(pid: int) -> bool:
    """Return whether a process is a guardian, which is a fork of its supervisor with another name."""
    return _text(f"/proc/{pid}/comm") == "infra-guardian\n"


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def members(
    folder: str, groups: Iterable[str] = (), *, by_command_line: bool = True
) -> list[processes.Process]:
    """Return the processes that a round of the benchmark has started, and their descendants.

    These processes have the folder of the round in their environment. With `by_command_line`, processes with
    the folder in their command line are included, too. `groups` are tokens of supervisors; the processes in
    their control groups are included. The additional processes are counted, but do not get a signal.
    """
    table = processes.table()
    mark, own_pid = f"{MARK}={folder}".encode(), os.getpid()
    pids = set()
    for pid in table:
        try:
            environ = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        text = words(pid) if by_command_line else ""
        if mark in environ.split(b"\0") or f"{folder}/" in text:
            pids.add(pid)
    pids |= {pid for pid in table for token in groups if cgroup.contains(token, pid)}
    queue = list(pids)
    while queue:
        pid = queue.pop()
        children = {child for child, process in table.items() if process.parent == pid} - pids
        pids |= children
        queue += children
    return [table[pid] for pid in sorted(pids - {own_pid}) if table[pid].state != processes.ZOMBIE]


class Traces:
    """The processes, ports and files that the stacks of one round have used, and those that are left."""

    def __init__(self, cwd: Path, temporary: str, run: str) -> None:
        self._cwd, self._temporary, self._run = cwd, Path(temporary), Path(run)
        self._shared_files = _shared_files()
        self._tokens: set[str] = set()
        self._ports: set[int] = set()
        self._pids: set[int] = set()

    def collect(self, family: Iterable[processes.Process] = ()) -> None:
        """Read the journals of the stacks, and find the processes that are running now.

        The journals have to be read early, because they are removed with the data directory.
        """
        patterns = (".data*/events*.jsonl", ".data*/plan-*/events*.jsonl")
        for path in [path for pattern in patterns for path in self._cwd.glob(pattern)]:
            for event in journal.read(str(path)):
                self._tokens |= {event.token} if event.token else set()
                self._ports |= {*event.ports.values()} if event.ports else set()
                self._pids |= {event.pid} if event.pid else set()
        for process in family:
            self._pids.add(process.pid)
            self._tokens |= {*TOKEN.findall(_text(f"/proc/{process.pid}/cgroup"))}

    def running(self) -> list[str]:
        """Return descriptions of everything that is left, except files.

        These are processes, ports, sockets, shared memory and control groups.
        """
        family = members(str(self._cwd), self._tokens)
        leftovers = [f"process {process.pid} ({words(process.pid)[:200]})" for process in family]
        pids = {process.pid for process in family} | self._pids
        for port in self._ports:
            if taken(port, name_it=False) and (match := re.match(r"pid (\d+)", text := holder(port))):
                leftovers += [f"port {port}, held by {text}"] if int(match[1]) in pids else []
        leftovers += [f"socket {path}" for path in _below(self._run) if path.is_socket()]
        leftovers += [f"shared memory {number}" for number in _segments(self._pids)]
        leftovers += [
            f"shared memory {path}" for path in _shared_files() - self._shared_files if _is_unused(path)
        ]
        return leftovers + [f"control group {path}" for path in self._groups()]

    def files(self) -> list[str]:
        """Return the files that are left after a wipe: data, run folders, lock files, temporary files."""
        paths = [path for data in self._cwd.glob(".data*") for path in (data, *_below(data))]
        # pytest keeps the temporary folders of its last runs.
        pytest_folder = f"{self._temporary}/pytest-of-"
        paths += [path for path in _below(self._temporary) if not str(path).startswith(pytest_folder)]
        paths += [path for path in _below(self._run) if path != self._run / "ports"]
        paths += _in_memory(self._cwd)
        return [f"file {path}" for path in paths]

    def _groups(self) -> Iterator[Path]:
        top = cgroup.current()
        for path in _below(Path(top)) if top else ():
            if path.name.removeprefix("infra-") in self._tokens:
                yield path


def _in_memory(cwd: Path) -> list[Path]:
    """Return the folders in RAM of data directories below a folder."""
    folders = []
    for owner in Path(memory.TMPFS).glob(f"infra-*/{memory_folder.OWNER}"):
        with contextlib.suppress(OSError):  # another stack may remove its folder at the same time
            folders += [owner.parent] if owner.read_text(encoding="utf-8").startswith(f"{cwd}/") else []
    return folders


def unfinished(cache: Path) -> list[str]:
    """Return the temporary files and folders in a cache, which exist only while a seed is created."""
    return [f"file {path}" for path in cache.glob("*/*") if TEMPORARY.match(path.name)]


def _below(folder: Path) -> list[Path]:
    """Return all files and folders below a folder, which may change meanwhile."""
    return [Path(parent, name) for parent, folders, files in os.walk(folder) for name in (*folders, *files)]


def _segments(pids: set[int]) -> list[int]:
    """Return the numbers of the shared memory segments that these processes have created.

    Source: proc_sysvipc(5).
    """
    try:
        names, *rows = [line.split() for line in Path(shared_memory.TABLE).read_text().splitlines()]
    except (OSError, ValueError):
        return []
    number, creator = names.index("shmid"), names.index("cpid")
    return [int(row[number]) for row in rows if int(row[creator]) in pids]


def _shared_files() -> set[str]:
    return {str(path) for path in Path("/dev/shm").glob("PostgreSQL.*")}


def _is_unused(path: str) -> bool:
    """Return whether no process uses a shared memory segment, so that the segment is left forever."""
    return not any(path in shared_memory.files_of(pid) for pid in processes.table())
