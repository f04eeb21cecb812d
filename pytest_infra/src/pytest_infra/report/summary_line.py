"""The summary line of a stack: its services, and the processes, ports, sockets and units that are left."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path

from infra_runtime.data_directory import journal, lock
from infra_runtime.data_directory.leak_check import check_leaks, counted
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.client import Client
from infra_runtime.errors import InfraError, NoStackError
from infra_runtime.messages import STATUS, Nothing
from infra_runtime.value import frozen
from pytest_infra.instances import Instances
from pytest_infra.isolation.owner import held
from pytest_infra.notes import PREFIX
from pytest_infra.report.leaks import leftover

#: the seconds to wait until a stack has stopped after the end of its last lease
STOP_PATIENCE = 90.0
MEMORY_EVENTS = frozenset({"memory-low", "memory-lost"})


@frozen
class SummaryLine:
    """The line about one stack at the end of a test run.

    `clean` is False if a process, container, port, socket, data folder or isolation unit of the stack is
    left, or if the check has failed.
    """

    text: str
    clean: bool


def check(
    data: str, owners: Collection[str], kept: Collection[str], since: float, instances: Instances
) -> SummaryLine:
    """Return the summary line of a stack: the processes, ports and sockets that are left.

    If the stack has no lease and is not warm, the function waits until the stack has stopped. If it keeps
    running, the line contains the isolation units that are left in it. `owners` contains the tokens of
    the run's processes, and `kept` the names of the units that they keep. `since` is the start of the run,
    in seconds since the epoch.
    """
    paths = Paths(data)
    try:
        leases, warm = _leases_or_end(paths)
        units = leftover(Path(data), owners, kept, since, instances) if leases or warm else []
    except Exception as error:  # noqa: BLE001 - a faulty server must not prevent the end of the run
        return SummaryLine(text=f"{PREFIX}{data}: {error}", clean=False)
    units_left = f"{counted(len(units), 'unit')} left" + (f" ({'; '.join(units)})" if units else "")
    if warm and not leases:
        text = f"the stack in {data} stays warm for {warm:g} s; `infra runtime down --data {data}` stops it"
        return SummaryLine(text=f"{PREFIX}{text}; {units_left}", clean=not units)
    if leases:
        text = f"the stack in {data} keeps running for {counted(leases, 'client')} outside this run"
        return SummaryLine(text=f"{PREFIX}{text}; {units_left}", clean=not units)
    leaks = check_leaks(paths)
    return SummaryLine(text=f"{PREFIX}{leaks}", clean=leaks.clean)


def memory_events(data: str, since: float) -> list[str]:
    """Return the texts of the events that report little free memory for data in RAM, or lost data in RAM.

    `since` is the start of the run, in seconds since the epoch.
    """
    path = Paths(data).journal
    try:
        events = journal.recent(path)
        if events and events[0].time >= since:  # the stack was started several times
            events = journal.read(path)
    except OSError:
        return []
    return [event.reason for event in events if event.event in MEMORY_EVENTS and event.time >= since]


def _leases_or_end(paths: Paths) -> tuple[int, float]:
    """Return the number of leases of a stack, and the seconds that it keeps running without leases.

    The two numbers are zero after the supervisor and the guardian have exited. A detached stack, which runs
    until `infra runtime down` stops it, has one additional lease in the result.
    """
    deadline = time.monotonic() + STOP_PATIENCE
    while _supervised(paths):
        try:
            client = Client.connect(paths)
            try:
                status = client.call(STATUS, Nothing())
            finally:
                client.close()
            if status.stay and status.stay_seconds:
                return status.leases, status.stay_seconds
            if leases := status.leases + status.stay:
                return leases, 0.0
        except NoStackError:
            pass  # the supervisor is exiting and does not accept clients
        if time.monotonic() > deadline:
            raise InfraError(f"the supervisor has not exited within {STOP_PATIENCE:g} s after the last lease")
        time.sleep(0.005)
    return 0, 0.0


def _supervised(paths: Paths) -> bool:
    supervised = held(Path(paths.lock))
    if supervised:
        lock.wake_holder(paths)
    return supervised
