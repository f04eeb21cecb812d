"""What it costs to be there: memory and processor time of a supervisor with five idle services. Linux alone.

RSS counts shared pages (the interpreter's own, the C library's) in full, PSS only its share of them.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import infra_runtime as infra
from benchmarks.rounds import Measures, count, headline, rounds, table
from benchmarks.stage import SERVICES, project, stage
from infra_runtime.engines.local.stack import Stack
from infra_runtime.host import processes

#: seconds of idleness in a round
WHILE = 5.0
MIB = 1 / 2**20


def main() -> None:
    """Measure and print."""
    chosen = count(__doc__, 4)
    headline(f"What it costs to be there: five idle services, {WHILE:g} s a round")
    with (
        stage() as folder,
        infra.start(*SERVICES, directory=project(folder, "idle"), environment="test") as stack,
    ):
        found = rounds((lambda: idle(members(stack)),), chosen, warm=False)
        memory = {name: spread for name, spread in found.items() if not name.endswith("processor")}
        table(memory, unit="MiB", scale=MIB)
        table({name: found[name] for name in found if name not in memory}, unit="%", scale=100, digits=3)


def members(stack: Stack) -> dict[str, list[int]]:
    """Everybody of the stack: its supervisor, its guardian, its services with their children."""
    status = stack.status()
    found = {it.name: family(it.pid) for it in status.services}
    known = {pid for pids in found.values() for pid in pids}
    others = [pid for pid in family(status.pid) if pid not in known and pid != status.pid]
    return {"supervisor": [status.pid], "guardian": others, **found}


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    return [process.pid for process in processes.family({pid: processes.started(pid)})]


def idle(found: dict[str, list[int]]) -> Measures:
    """Memory now, and the share of a core over a while."""
    before = {name: processor(pids) for name, pids in found.items()}
    time.sleep(WHILE)
    measured: dict[str, float] = {}
    for name, pids in found.items():
        measured[f"{name}, RSS"] = memory(pids, "Rss")
        measured[f"{name}, PSS"] = memory(pids, "Pss")
        measured[f"{name}, processor"] = (processor(pids) - before[name]) / WHILE
    return measured


def memory(pids: list[int], kind: str) -> float:
    """Bytes. Source: proc_pid_smaps(5)."""
    total = 0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
                if line.startswith(f"{kind}:"):
                    total += int(line.split()[1]) * 1024
    return total


def processor(pids: list[int]) -> float:
    """Seconds of processor time so far, to the nanosecond. Source: the kernel's sched-stats text."""
    total = 0.0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError):  # a process of a moment, such as a backend of PostgreSQL
            for task in Path(f"/proc/{pid}/task").iterdir():
                total += int((task / "schedstat").read_text(encoding="ascii").split()[0]) / 1e9
    return total


if __name__ == "__main__":
    main()
