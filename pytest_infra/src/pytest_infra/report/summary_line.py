"""The closing line: what the run had, and what a look from outside finds of it."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path

from infra_runtime.data_directory import lock
from infra_runtime.data_directory.leak_check import check_leaks, counted
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.client import Client
from infra_runtime.engines.local.stack import STOP_PATIENCE
from infra_runtime.errors import InfraError, NoStackError
from infra_runtime.messages import STATUS, Nothing
from infra_runtime.value import frozen
from pytest_infra.instances import Instances
from pytest_infra.isolation.owner import held
from pytest_infra.notes import PREFIX
from pytest_infra.report.leaks import leftover


@frozen
class Closing:
    """The line for one data directory."""

    text: str
    clean: bool


def look(data: str, owners: Collection[str], since: float, instances: Instances) -> Closing:
    """Wait for the end of a stack that nobody holds any more, and look for what is left of it.

    When it goes on, look for what is left in it: `owners` are the run's processes, `since` its begin.
    """
    paths = Paths(data)
    try:
        holders, warm = _holders_or_end(paths)
        units = leftover(Path(data), owners, since, instances) if holders or warm else []
    except Exception as error:  # noqa: BLE001 - whatever a server says, the run has an end
        return Closing(text=f"{PREFIX}{data}: {error}", clean=False)
    left = f"{counted(len(units), 'unit')} left" + (f" ({'; '.join(units)})" if units else "")
    if warm and not holders:
        text = f"the stack in {data} stays warm for {warm:g} s; `infra runtime down --data {data}` ends it"
        return Closing(text=f"{PREFIX}{text}; {left}", clean=not units)
    if holders:
        text = f"the stack in {data} goes on, for {counted(holders, 'holder')} outside this run"
        return Closing(text=f"{PREFIX}{text}; {left}", clean=not units)
    proof = check_leaks(paths)
    return Closing(text=f"{PREFIX}{proof}", clean=proof.clean)


def _holders_or_end(paths: Paths) -> tuple[int, float]:
    """How many hold the stack, and for how many seconds it stays without them.

    Nobody, and no second, as soon as its supervisor and its guardian have ended.
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
            if holders := status.leases + status.stay:
                return holders, 0.0
        except NoStackError:
            pass  # it takes no client any more: it is about to end
        if time.monotonic() > deadline:
            raise InfraError(f"its supervisor did not end within {STOP_PATIENCE:g} s")
        time.sleep(0.005)
    return 0, 0.0


def _supervised(paths: Paths) -> bool:
    supervised = held(Path(paths.lock))
    if supervised:
        lock.wake_holder(paths)
    return supervised
