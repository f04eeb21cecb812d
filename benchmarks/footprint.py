"""Measure memory and processor time of a supervisor with five idle services; works only on Linux.

RSS counts shared pages (of the interpreter and of the C library) completely; PSS counts only the share of the
process.
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

#: seconds for which the stack is idle in a round
WHILE = 5.0
MIB = 1 / 2**20


def main() -> None:
    """Measure the variants of this benchmark and print the tables."""
    round_count = count(__doc__, 4)
    headline(f"Idle costs: five services, {WHILE:g} s per round")
    with (
        stage() as folder,
        infra.start(*SERVICES, directory=project(folder, "idle"), environment="test") as stack,
    ):
        results = rounds((lambda: idle(members(stack)),), round_count, warm=False)
        memory = {name: spread for name, spread in results.items() if not name.endswith("processor")}
        table(memory, unit="MiB", scale=MIB)
        table({name: results[name] for name in results if name not in memory}, unit="%", scale=100, digits=3)


def members(stack: Stack) -> dict[str, list[int]]:
    """Return the process ids of a stack: supervisor, guardian, and the services with their children."""
    status = stack.status()
    services = {service.name: family(service.pid) for service in status.services}
    service_pids = {pid for pids in services.values() for pid in pids}
    guardian_pids = [pid for pid in family(status.pid) if pid not in service_pids and pid != status.pid]
    return {"supervisor": [status.pid], "guardian": guardian_pids, **services}


def family(pid: int) -> list[int]:
    """Return the process ids of a process and of its descendants."""
    return [process.pid for process in processes.family({pid: processes.started(pid)})]


def idle(members: dict[str, list[int]]) -> Measures:
    """Measure the memory of the processes now, and their share of a processor core over `WHILE` seconds."""
    earlier_times = {name: processor(pids) for name, pids in members.items()}
    time.sleep(WHILE)
    measured: dict[str, float] = {}
    for name, pids in members.items():
        measured[f"{name}, RSS"] = memory(pids, "Rss")
        measured[f"{name}, PSS"] = memory(pids, "Pss")
        measured[f"{name}, processor"] = (processor(pids) - earlier_times[name]) / WHILE
    return measured


def memory(pids: list[int], kind: str) -> float:
    """Return the memory of the processes in bytes. Source: proc_pid_smaps(5)."""
    total = 0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
                if line.startswith(f"{kind}:"):
                    total += int(line.split()[1]) * 1024
    return total


def processor(pids: list[int]) -> float:
    """Return the processor time that the processes have used, in seconds. Source: Linux, sched-stats.rst."""
    total = 0.0
    for pid in pids:
        # The process has exited, such as a backend of PostgreSQL.
        with contextlib.suppress(FileNotFoundError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                total += int((task / "schedstat").read_text(encoding="ascii").split()[0]) / 1e9
    return total


if __name__ == "__main__":
    main()
