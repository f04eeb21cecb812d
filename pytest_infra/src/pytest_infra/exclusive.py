"""The marker `infra_exclusive`: a test uses services alone, while tests of other xdist workers wait.

All workers collect the same tests, so each worker can determine which services have an exclusive test. A test
holds a lock for each of these services that it uses: exclusive if its marker selects the service, otherwise
shared. The kernel releases the locks of a killed worker. If no test has the marker, this module is not
imported.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path

import pytest

from infra_runtime.data_directory.marker import make_data_directory
from infra_runtime.data_directory.paths import Paths
from infra_runtime.errors import InfraError
from infra_runtime.host import file_lock
from pytest_infra.instances import ANY_SERVICE, Instances
from pytest_infra.process import session_of

MARK = "infra_exclusive"
#: the folder of the lock files in the data directory
FOLDER = "exclusive"
#: the value that represents all services, for a marker without arguments
ALL = "*"


class Exclusive:
    """The plugin that holds the locks of a test from before its set-up until after its tear-down."""

    def __init__(self, config: pytest.Config, items: Iterable[pytest.Item]) -> None:
        self._session = session_of(config)
        self._workers = int(getattr(config, "workerinput", {}).get("workercount", 0))
        self._fixtures = Instances.of(config).service_of_fixture
        #: the services that at least one test of the run uses alone
        self._exclusive = frozenset().union(*map(_exclusive_services, items))
        #: service → the service and the services that it needs
        self._needed: dict[str, frozenset[str]] = {}
        self._folder: Path | None = None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Hold the locks of the test while it runs."""
        with contextlib.ExitStack() as locks:
            with contextlib.suppress(InfraError):  # the setup or a fixture of the test reports the error
                self._lock(item, locks)
            return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Fail a test whose marker has an argument that is not the name of a service."""
        for marker in item.iter_markers(MARK):
            wrong = [name for name in marker.args if not isinstance(name, str)]
            if marker.kwargs or wrong:
                names = ", ".join(map(repr, [*marker.kwargs, *wrong]))
                pytest.fail(f"the marker `{MARK}` takes names of services, not {names}", pytrace=False)
            for name in marker.args:
                try:
                    self._session.needed(name)
                except InfraError as error:
                    pytest.fail(f"the marker `{MARK}`: {error}\n{error.hint}".rstrip(), pytrace=False)

    def _lock(self, item: pytest.Item, locks: contextlib.ExitStack) -> None:
        exclusive_services = _exclusive_services(item)
        services = self._used(item) | exclusive_services
        if not self._workers or not services:
            return
        folder = self._folder or self._make_folder()
        # The order of the names is the same in every process, so that no two tests wait for each other.
        for service in sorted(services):
            name = "all" if service == ALL else f"service-{service}"
            locks.enter_context(_locked(folder / name, shared=service not in exclusive_services))
        locks.callback(self._session.use_alone, frozenset(), workers=1)
        self._session.use_alone(
            self._exclusive if ALL in exclusive_services else exclusive_services, workers=self._workers
        )

    def _make_folder(self) -> Path:
        data = self._session.data_directory()
        make_data_directory(Paths(str(data)), self._session.environment)
        self._folder = data / FOLDER
        self._folder.mkdir(mode=0o700, exist_ok=True)
        return self._folder

    def _used(self, item: pytest.Item) -> frozenset[str]:
        """Return the services that `item` may use directly or indirectly, and that have an exclusive test."""
        names = set(getattr(item, "fixturenames", ()))
        services = {self._fixtures[name] for name in names & self._fixtures.keys()}
        uses_any = not names.isdisjoint(ANY_SERVICE)
        for marker in item.iter_markers("infra"):
            services |= set(marker.args)
            uses_any = uses_any or not marker.args or bool(marker.kwargs)
        for marker in item.iter_markers("infra_chaos"):
            services |= set(marker.kwargs.values())
        if uses_any:
            return self._exclusive
        used = frozenset().union(*map(self._with_needed, services))
        return (used | {ALL} if used else used) & self._exclusive

    def _with_needed(self, service: str) -> frozenset[str]:
        if service not in self._needed:
            try:
                self._needed[service] = self._session.needed(service)
            except InfraError:  # the fixture of the service reports the error
                self._needed[service] = frozenset({service})
        return self._needed[service]


@contextlib.contextmanager
def _locked(path: Path, *, shared: bool) -> Iterator[None]:
    """Hold the lock of the file at `path` during the block.

    A test must hold a second lock, the gate, while it waits for the lock. Therefore other tests cannot take
    the lock while an exclusive test waits for it. Without the gate, one test after another could share the
    lock, and the exclusive test would wait for ever.
    """
    gate = file_lock.acquire(f"{path}.gate", wait=True)
    try:
        lock = file_lock.acquire(str(path), wait=True, shared=shared)
    finally:
        if gate is not None:
            file_lock.release(gate)
    try:
        yield
    finally:
        if lock is not None:
            file_lock.release(lock)


def _exclusive_services(item: pytest.Item) -> frozenset[str]:
    """Return the services that a test uses alone."""
    markers = list(item.iter_markers(MARK))
    names = {name for marker in markers for name in marker.args if isinstance(name, str)}
    return frozenset(names | {ALL} if any(not marker.args for marker in markers) else names)
