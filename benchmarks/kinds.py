"""Measure each kind whose server is installed, and print a table in Markdown.

The columns: the time of `infra_runtime.start()` in a new process, and of a launch of the same programs
without a supervisor; the processor time and the memory of the server when it is ready; the time of
`attach()`; and how long a test waits for its isolation unit. All values are medians of the rounds. The kinds
are those of the manifest. With `--page`, the rows are also written to the page docs/reference/services.md.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import infra_runtime as infra
from benchmarks import figures
from benchmarks.cold_start import API
from benchmarks.footprint import MIB, family, memory, processor
from benchmarks.rounds import Measures, Spread, Variant, busy, headline, machine, rounds
from benchmarks.script import script
from benchmarks.stage import PYTEST, PYTHON, held, project, stage, timed
from infra_runtime import catalogue
from infra_runtime.binaries import search, store
from infra_runtime.config.resolve import resolve
from infra_runtime.manifest import KINDS
from infra_runtime.spec import ExecProbe, Probe

#: tests of the session that measures units, each of which takes `SECONDS`
TESTS, SECONDS = 20, 0.04
#: measured figure → heading of its column, factor, digits, unit
COLUMNS = {
    "start": ("cold start", 1000, 0, "ms"),
    "bare": ("without supervisor", 1000, 0, "ms"),
    "processor": ("processor time", 1000, 0, "ms"),
    "rss": ("RSS", MIB, 0, "MiB"),
    "pss": ("PSS", MIB, 0, "MiB"),
    "attach": ("`attach()`", 1000, 1, "ms"),
    "unit": ("wait for a unit", 1000, 1, "ms"),
}
HEADING = (
    f"| kind | {' | '.join(heading for heading, *_ in COLUMNS.values())} |\n| --- |{' ---: |' * len(COLUMNS)}"
)
UNITS = """\
import json, time, pytest

waits = []

@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef):
    began = time.perf_counter()
    result = yield
    if fixturedef.argname == "{fixture}":
        waits.append(time.perf_counter() - began)
    return result

def pytest_sessionfinish():
    with open("waits.json", "w") as file:
        json.dump(waits, file)
"""
SUITE = """\
import time, pytest

@pytest.mark.parametrize("number", range({tests}))
def test_it({fixture}, number):
    time.sleep({seconds})
"""


def main() -> None:
    """Measure the kinds in the arguments of the command line, or all kinds whose server is installed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kinds", description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="default: all whose server is installed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--page", action="store_true", help="also write the rows to the page")
    options = parser.parse_args()
    installed = store.default_folder()
    kinds = options.kinds or [kind for kind in KINDS if is_installed(kind)]
    headline("Each kind of service")
    print(f"rounds: {options.rounds}; {busy()}\n")
    print(HEADING, flush=True)
    rows, failed, loads = {}, [], [os.getloadavg()[0]]
    with stage() as folder:
        if installed:
            os.environ["INFRA_BINARIES"] = str(installed)
        for kind in kinds:
            try:
                rows[kind] = row(kind, measured(folder, kind, options.rounds))
            except (Exception, SystemExit) as error:  # the other kinds are still measured
                failed.append(kind)
                print(f"{kind}: {error!r}", file=sys.stderr)
                continue
            loads.append(os.getloadavg()[0])
            print(rows[kind], flush=True)
    if options.page:
        text = figures.PAGE.read_text(encoding="utf-8")
        sentence = (
            f"The table was measured on {dt.datetime.now(dt.UTC):%-d %B %Y} with `python -m benchmarks.kinds "
            f"--rounds {options.rounds} --page`, on {machine()}, with a load of {min(loads):.0f} to "
            f"{max(loads):.0f}."
        )
        text = figures.updated(text, HEADING, rows, KINDS, sentence)
        figures.PAGE.write_text(text, encoding="utf-8")
    if failed:
        sys.exit(f"not measured: {', '.join(failed)}")


def is_installed(kind: str) -> bool:
    """Return whether all executables that a kind requires are found."""
    return all(search(binary, None).path for binary in catalogue.entry(kind).binaries if not binary.optional)


def row(kind: str, results: dict[str, Spread]) -> str:
    """Return a line of the table; a figure that cannot be measured is a dash."""
    cells = [
        f"{results[name].median * scale:.{digits}f} {unit}" if name in results else "-"
        for name, (_, scale, digits, unit) in COLUMNS.items()
    ]
    return f"| `{kind}` | {' | '.join(cells)} |"


def measured(folder: Path, kind: str, count: int) -> dict[str, Spread]:
    """Return a mapping from figure to the values of all rounds, for one kind."""
    with contextlib.ExitStack() as stack:
        # This start also fills the cache of seeds, which the launch without a supervisor needs.
        variants = [stack.enter_context(running(folder, kind)), start(folder, kind), units(folder, kind)]
        if all(has_bare(spec.ready) for spec in resolve((kind,), environment="test").plan.services):
            variants.append(stack.enter_context(bare(folder, kind)))
        return rounds(variants, count)


def has_bare(probe: Probe | None) -> bool:
    """Return whether a script without a supervisor can determine that a service with this probe is ready.

    The script runs no command and has no TLS, and a service without a probe reports to the supervisor.
    """
    return probe is not None and not isinstance(probe, ExecProbe) and not getattr(probe, "tls", False)


def start(folder: Path, kind: str) -> Variant:
    """Return a variant that measures a start from an empty directory in a new interpreter."""
    cwd = project(folder, f"{kind}-start")

    def measure() -> Measures:
        with held([PYTHON, "-c", API, kind], cwd) as (_, line, _child):
            seconds = float(line.split()[0])
            with infra.attach(cwd / ".data-test", lease=False) as stack:
                start_process(stack, kind)
                pids = _pids(stack, kind)
                costs = {"processor": processor(pids), "rss": memory(pids, "Rss"), "pss": memory(pids, "Pss")}
        return {"start": seconds, **costs}

    return measure


def start_process(stack: infra.Stack, kind: str) -> None:
    """Send a request to a service that starts at the first connection, and wait for its answer."""
    status = next(service for service in stack.status().services if service.name == kind)
    if status.pid == 0:
        with socket.create_connection(
            ("127.0.0.1", status.ports[next(iter(KINDS[kind].ports))]), 60
        ) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            client.recv(1)


def _pids(stack: infra.Stack, kind: str) -> list[int]:
    return next(family(service.pid) for service in stack.status().services if service.name == kind)


@contextlib.contextmanager
def bare(folder: Path, kind: str) -> Iterator[Variant]:
    """Yield a variant in which a script starts the same programs without a supervisor."""
    cwd = project(folder, f"{kind}-bare")
    with script(resolve((kind,), directory=cwd, environment="test")) as launched:

        def measure() -> Measures:
            with held(launched.command(), cwd) as (_, line, _child):
                return {"bare": float(line)}

        yield measure


@contextlib.contextmanager
def running(folder: Path, kind: str) -> Iterator[Variant]:
    """Yield a variant that attaches to a running stack and reads an export of the service."""
    cwd = project(folder, f"{kind}-running")
    with infra.start(kind, directory=cwd, environment="test") as stack:
        data_directory = stack.data

        def measure() -> Measures:
            start_time = perf_counter()
            with infra.attach(data_directory) as attached:
                assert attached[kind].host
            return {"attach": perf_counter() - start_time}

        yield measure


def units(folder: Path, kind: str) -> Variant:
    """Return a variant that measures the fixture of a kind in a session; the first test starts the server."""
    names = {"fixture": KINDS[kind].identifier, "tests": TESTS, "seconds": SECONDS}
    files = {"conftest_py": UNITS.format(**names), "test_it_py": SUITE.format(**names)}
    cwd = project(folder, f"{kind}-units", **files, infra_toml=f'use = ["{kind}"]\n')

    def measure() -> Measures:
        timed(PYTEST, cwd)
        _, *waits = json.loads((cwd / "waits.json").read_text(encoding="utf-8"))
        return {"unit": Spread(values=tuple(waits)).median}

    return measure


if __name__ == "__main__":
    main()
