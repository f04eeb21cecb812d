"""Kill a service with SIGKILL; measure the time until the service is ready again.

The time is compared with a start of the executable without a supervisor. Both variants start with the data of
a killed server. The time with the supervisor includes the first back-off, which is the wait before a restart.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import infra_runtime as infra
from benchmarks.bare import Running, end, launch, ready, start
from benchmarks.rounds import Measures, Variant, count, headline, rounds, table
from benchmarks.script import script
from benchmarks.stage import SERVICES, project, stage
from infra_runtime.config.resolve import resolve
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.client import Client
from infra_runtime.engines.local.stack import Stack
from infra_runtime.supervisor.restart import BACKOFF_FIRST


def main() -> None:
    """Measure how long services take to be ready again after a kill, and print a table for each service."""
    round_count = count(__doc__, 20)
    headline(f"SIGKILL of a service, until it is ready again (first back-off: {BACKOFF_FIRST * 1000:g} ms)")
    with stage() as folder, supervised(folder) as stack, alone(folder) as boots:
        for service in SERVICES:
            results = rounds((restarted(stack, service), boots[service]), round_count)
            table(results, baseline=f"{service}, its binary alone")


@contextlib.contextmanager
def supervised(folder: Path) -> Iterator[Stack]:
    """Yield a stack of five services with a supervisor."""
    with infra.start(*SERVICES, directory=project(folder, "supervised"), environment="test") as stack:
        yield stack


def restarted(stack: Stack, service: str) -> Variant:
    """Return a variant that kills a service and waits until the supervisor reports that it is ready again."""

    def measure() -> Measures:
        pid = next(it.pid for it in stack.status().services if it.name == service)
        with contextlib.closing(Client.connect(Paths(str(stack.data)))) as watcher:
            watcher.subscribe()
            start_time = time.perf_counter()
            os.kill(pid, signal.SIGKILL)
            names = (event.event for event in watcher.events() if event.service == service)
            outcome = next(name for name in names if name in {"ready", "failed"})
            seconds = time.perf_counter() - start_time
        if outcome == "failed":
            raise SystemExit(f"{service} did not become ready again: {stack.status()}")
        stack.restart(service)  # resets the number of crashes, so that the next back-off is the first again
        return {f"{service}, supervised": seconds}

    return measure


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[Mapping[str, Variant]]:
    """Start the same services without a supervisor, and yield a variant for each service.

    The variant of a service kills the service and starts it again.
    """
    running: dict[str, Running] = {}
    with script(resolve(SERVICES, directory=project(folder, "alone"), environment="test")) as launched:
        try:
            asyncio.run(launch(launched.services, running))
            yield {name: booted(running, name) for name in running}
        finally:
            end(running)


def booted(running: dict[str, Running], name: str) -> Variant:
    """Return a variant that kills a service without a supervisor, and starts it again until it is ready."""

    def measure() -> Measures:
        service, child = running[name]
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        start_time = time.perf_counter()
        child = start(service)
        running[name] = service, child
        asyncio.run(ready(service, child))
        return {f"{name}, its binary alone": time.perf_counter() - start_time}

    return measure


if __name__ == "__main__":
    main()
