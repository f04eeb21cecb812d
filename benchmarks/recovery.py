"""SIGKILL to a service: how long until it is ready again, against the boot of its binary alone.

Both begin with the data that a killed server leaves. The supervisor's figure holds the first back-off.
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
from benchmarks.bare import Child, Service, end, launch, ready, start
from benchmarks.rounds import Measures, Variant, count, headline, rounds, table
from benchmarks.script import Script
from benchmarks.stage import SERVICES, project, stage
from infra_runtime.config.resolve import resolve
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.client import Client
from infra_runtime.engines.local.stack import Stack
from infra_runtime.supervisor.machine import BACKOFF_FIRST


def main() -> None:
    """Measure and print a table for each service."""
    chosen = count(__doc__, 20)
    headline(f"SIGKILL of a service, until it is ready again (first back-off: {BACKOFF_FIRST * 1000:g} ms)")
    with stage() as folder, supervised(folder) as stack, alone(folder) as boots:
        for service in SERVICES:
            found = rounds((restarted(stack, service), boots[service]), chosen)
            table(found, baseline=f"{service}, its binary alone")


@contextlib.contextmanager
def supervised(folder: Path) -> Iterator[Stack]:
    """Five services under a supervisor."""
    with infra.start(*SERVICES, directory=project(folder, "supervised"), environment="test") as stack:
        yield stack


def restarted(stack: Stack, service: str) -> Variant:
    """Kill it, and wait for the supervisor to say that it is ready."""

    def measure() -> Measures:
        pid = next(it.pid for it in stack.status().services if it.name == service)
        with contextlib.closing(Client.connect(Paths(str(stack.data)))) as watcher:
            watcher.subscribe()
            began = time.perf_counter()
            os.kill(pid, signal.SIGKILL)
            words = (event.event for event in watcher.events() if event.service == service)
            outcome = next(word for word in words if word in {"ready", "failed"})
            seconds = time.perf_counter() - began
        if outcome == "failed":
            raise SystemExit(f"{service} did not come back: {stack.status()}")
        stack.restart(service)  # which forgets the crash: the next back-off is the first one again
        return {f"{service}, supervised": seconds}

    return measure


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[Mapping[str, Variant]]:
    """The same five without a supervisor, each with a variant that boots it."""
    script = Script(resolve(SERVICES, directory=project(folder, "alone"), environment="test"))
    with contextlib.closing(script):
        running = {
            service["name"]: (service, child) for service, child in asyncio.run(launch(script.services))
        }
        try:
            yield {name: booted(running, name) for name in running}
        finally:
            end(running.values())


def booted(running: dict[str, tuple[Service, Child]], name: str) -> Variant:
    """Kill it with its children, start its binary again, and ask until it is ready."""

    def measure() -> Measures:
        service, child = running[name]
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        began = time.perf_counter()
        child = start(service)
        running[name] = service, child
        asyncio.run(ready(service, child))
        return {f"{name}, its binary alone": time.perf_counter() - began}

    return measure


if __name__ == "__main__":
    main()
