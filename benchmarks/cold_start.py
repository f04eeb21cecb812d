"""Cold start: five services from empty data directories to ready, by each interface and without a supervisor.

Each variant is a separate process. "call" is the time of the call without the imports; "process" is
the time from its start until all services are ready (for the command line: to its exit). The caches
are warm: binaries in the page cache, the result of `initdb` in the cache of pytest-infra, bytecode compiled.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from benchmarks.rounds import Measures, Variant, count, headline, rounds, table
from benchmarks.script import script
from benchmarks.stage import INFRA, PYTEST, PYTHON, SERVICES, held, project, stage, timed
from infra_runtime.config.resolve import resolve
from infra_runtime.data_directory import journal
from infra_runtime.data_directory.journal import last_run

API = """\
import sys, time
from infra_runtime import start
began, at = time.perf_counter(), time.time()
stack = start(*sys.argv[1:], environment="test")
print(time.perf_counter() - began, at, flush=True)
sys.stdin.read()
assert stack.finish().clean
"""

CONFTEST = """\
import pathlib, pytest, time

@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef):
    began = time.perf_counter()
    result = yield
    if fixturedef.argname == "infra_stack":
        pathlib.Path("seconds").write_text(str(time.perf_counter() - began))
    return result
"""

#: the prefix of figures that are points in time of one start
AT = "at: "
STEPS = {
    "up": "the supervisor runs",
    "preparing": "{}: prepares",
    "spawned": "{}: runs",
    "ready": "{}: is ready",
}
TEST = """\
def test_five(infra_stack):
    assert infra_stack.postgres.url
"""


def main() -> None:
    """Measure the variants of this benchmark and print the tables."""
    round_count = count(__doc__, 20)
    headline("Cold start: five services, from empty directories to ready")
    with stage() as folder, bare(folder) as launch:
        ways = (api(folder), command_line(folder), fixture(folder), launch)
        results = rounds(ways, round_count)
    table(
        {name: spread for name, spread in results.items() if not name.startswith(AT)}, baseline="bare, call"
    )
    print("\nOne start(), from its journal: time since the call")
    table({name.removeprefix(AT): spread for name, spread in results.items() if name.startswith(AT)})


def api(folder: Path) -> Variant:
    """Return a variant that measures `infra_runtime.start()` in a new interpreter.

    The times of the single services come from the supervisor's journal.
    """
    cwd = project(folder, "api")

    def measure() -> Measures:
        with held([PYTHON, "-c", API, *SERVICES], cwd) as (process_seconds, line, _):
            call, call_time = map(float, line.split())
        events = last_run(journal.read(str(cwd / ".data-test/events.jsonl")))
        times = {
            AT + STEPS[event.event].format(event.service): event.time - call_time
            for event in events
            if event.event in STEPS
        }
        return {
            "start(), call": call,
            "start(), process": process_seconds,
            **times,
            AT + "start() returns": call,
        }

    return measure


@contextlib.contextmanager
def bare(folder: Path) -> Iterator[Variant]:
    """Yield a variant in which a script without a supervisor starts the same executables at once."""
    cwd = project(folder, "bare")
    with held([PYTHON, "-c", API, *SERVICES], cwd):
        pass  # the first start fills the cache of seeds
    with script(resolve(SERVICES, directory=cwd, environment="test")) as launched:
        yield lambda: _bare(launched.command(), cwd)


def _bare(command: list[str], cwd: Path) -> Measures:
    with held(command, cwd) as (process_seconds, line, _):
        return {"bare, call": float(line), "bare, process": process_seconds}


def command_line(folder: Path) -> Variant:
    """Return a variant that measures `infra runtime up --detach --wait` until the command exits."""
    cwd = project(folder, "cli")

    def measure() -> Measures:
        process_seconds, _ = timed(
            (INFRA, "runtime", "up", *SERVICES, "--env", "test", "--detach", "--wait"), cwd
        )
        timed((INFRA, "runtime", "down", "--env", "test"), cwd)
        return {"infra runtime up, process": process_seconds}

    return measure


def fixture(folder: Path) -> Variant:
    """Return a variant that measures a pytest session with one test.

    The time ends when pytest exits, so it includes the stop of the services and the leak check.
    """
    cwd = project(folder, "fixture", conftest_py=CONFTEST, test_five_py=TEST)

    def measure() -> Measures:
        process_seconds, _ = timed((*PYTEST, "test_five.py"), cwd)
        return {
            "infra_stack, fixture": float((cwd / "seconds").read_text(encoding="ascii")),
            "infra_stack, pytest to its end": process_seconds,
        }

    return measure


if __name__ == "__main__":
    main()
