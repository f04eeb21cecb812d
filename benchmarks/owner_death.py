"""Kill the owner of five services with SIGKILL; measure the time until the last process has exited.

Two owners are killed: the supervisor, whose guardian kills the services; and the program that called
`start()`, whose supervisor then stops the services in order with their stop steps. The benchmark counts the
processes, ports and sockets that remain.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from benchmarks.cold_start import API
from benchmarks.rounds import Measures, Variant, count, headline, rounds, table
from benchmarks.stage import PYTHON, SERVICES, held, project, stage
from infra_runtime.data_directory import journal
from infra_runtime.data_directory.journal import last_run
from infra_runtime.data_directory.leak_check import check_leaks
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.engine import attach
from infra_runtime.host import processes

PATIENCE = 30.0


def main() -> None:
    """Measure the variants and print the tables; exit with 1 if a process, port or socket remains."""
    round_count = count(__doc__, 100)
    headline("SIGKILL of the owner, until the last process has exited")
    leftovers: list[str] = []
    with stage() as folder:
        variants = (killed(folder, "supervisor", leftovers), killed(folder, "program", leftovers))
        results = rounds(variants, round_count, warm=False)
    table(results)
    for name, spread in results.items():
        worst = spread.percentile(99) * 1000, max(spread.values) * 1000
        print(f"{name}: 99th percentile {worst[0]:.1f} ms, longest {worst[1]:.1f} ms")
    print(f"left over: {', '.join(leftovers) or 'no process, no port, no socket'}")
    sys.exit(bool(leftovers))


def killed(folder: Path, owner: str, leftovers: list[str]) -> Variant:
    """Return a variant that starts five services in a separate process, kills their owner, and measures.

    The owner is the supervisor or the separate process.
    """
    cwd = project(folder, owner)
    paths = Paths(str(cwd / ".data-test"))

    def measure() -> Measures:
        with held([PYTHON, "-c", API, *SERVICES], cwd) as (_, _, child):
            with attach(paths.data, lease=False) as stack:
                supervisor = stack.status().pid
            token = last_run(journal.read(paths.journal))[0].token
            watched = processes.family({supervisor: processes.started(supervisor)}, token)
            assert len(watched) > len(SERVICES)
            start_time = time.perf_counter()
            os.kill(supervisor if owner == "supervisor" else child.pid, signal.SIGKILL)
            seconds = gone(watched, start_time)
            child.kill()
        proof = check_leaks(paths)
        leftovers.extend((*proof.processes, *proof.ports, *proof.sockets))
        return {f"{owner} killed": seconds}

    return measure


def gone(watched: list[processes.Process], start_time: float) -> float:
    """Return the seconds from `start_time` until all processes have exited; zombies have exited."""
    while watched:
        watched = [process for process in watched if is_running(process)]
        if time.perf_counter() - start_time > PATIENCE:
            raise SystemExit(f"still running after {PATIENCE:g} s: {[process.pid for process in watched]}")
        time.sleep(0.0005)
    return time.perf_counter() - start_time


def is_running(process: processes.Process) -> bool:
    """Return whether a process is running; a later process with the same process id does not count."""
    current = processes.look(process.pid)
    return current is not None and current.started == process.started and current.state != processes.ZOMBIE


if __name__ == "__main__":
    main()
