"""Failure reports: the logs of the services during a failed test, in pytest's output and in a folder.

The folder is `capsules/TEST` in the data directory. It contains `capsule.json` (states, restarts,
executables, settings with secrets masked), `logs/SERVICE.log` (the log during the test), `events.jsonl`
(the journal during the test), `units.json` and `dumps/` (the test's isolation units). Only their owner can
read the files, and secrets are masked in all of them except `units.json` of units that are kept.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import time
from collections.abc import Collection, Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra_runtime.data_directory.paths import Paths
from infra_runtime.errors import InfraError
from infra_runtime.host import disk
from infra_runtime.messages import Phase, Services, Status
from infra_runtime.redaction import redacted
from pytest_infra import options
from pytest_infra.instances import Instances
from pytest_infra.label import label_of
from pytest_infra.notes import Notes
from pytest_infra.private_files import make_folder, write
from pytest_infra.report.leaks import owner_of
from pytest_infra.report.redaction import secrets_of
from pytest_infra.report.unit_dumps import UnitDumps
from pytest_infra.session import Session
from pytest_infra.unit_registry import UnitRegistry

if TYPE_CHECKING:
    from pytest_infra.isolation.unit import Unit
    from pytest_infra.kit import ServiceKit

#: The numbers of lines and characters at the end of a service's log that pytest's output contains. The folder
#: contains the complete log.
LINES, CHARACTERS = 40, 6_000
#: The maximum size of a log in the folder, in bytes; the beginning of a longer log is cut.
SLICE_BYTES = 8_000_000
FOLDER = "capsules"
#: The title of the section in pytest's output that contains the path of the folder.
TITLE = "Failure report"

#: log file → its size in bytes
Marks = dict[Path, int]


class Capsules:
    """The plugin that records the sizes of the logs when a test starts, and writes failure reports."""

    def __init__(self, session: Session, config: pytest.Config) -> None:
        self._session = session
        self._notes, self._instances = Notes.of(config), Instances.of(config)
        self._stash = config.stash
        self._dumps = UnitDumps(self._instances, keep=options.read(config).keep)
        #: the sizes of the logs when the data directory was opened, for the test that opened it
        self._opened: Marks = {}
        #: the sizes of the logs when the services became ready for this process
        self._ready: Marks = {}
        #: the sizes of the logs when the running test started
        self._marks: Marks = {}
        self._began = time.time()
        #: the sections of the running test's report, after one of its phases has failed
        self._sections: list[tuple[str, str]] = []
        #: the processes in which the running test has used units
        self._processes: set[str] = set()
        #: test → unit → the files of the unit's dump, for the failed tests of this run
        self._written: dict[str, dict[str, str]] = {}
        # xdist's workers share the services, so a log also contains lines from tests of other workers.
        self._shared = " (shared with other workers)" if "PYTEST_XDIST_WORKER" in os.environ else ""

    def opened(self, data: str) -> None:
        """Record the sizes of the logs in a data directory before this run uses it."""
        self._opened |= _sizes([data])

    def ready(self, services: Collection[str]) -> None:
        """Record the sizes of the logs of services that are ready: the lines before belong to the start."""
        for path, size in _sizes(self._session.data).items():
            if path.stem in services and (path not in self._ready or "." in path.stem):
                self._ready[path] = size  # a later copy can have the same name, `SERVICE.N`

    def pytest_runtest_logstart(self) -> None:
        """Record the sizes of the logs at the start of a test."""
        self._began = time.time()
        self._marks = _sizes(self._session.data)
        self._processes.clear()
        self._sections.clear()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """After a failed phase of a test, add the services' logs to pytest's output and write the report."""
        report = yield
        if report.failed and self._session.data:
            slices, status = self._slices(), self._status()
            others = self._copies_of_others(status)
            folder = self._write(item, report, slices, status)
            texts = {
                name: shorten(without_others(text, self._notes.owners, self._kit(name, status)))
                for name, text in self._slices(without_start=True).items()
            }
            self._sections = [
                (f"Captured log of {name}{self._shared}", text)
                for name, text in texts.items()
                if text and name not in others
            ]
            self._sections += self._emulations()
            if folder is not None:
                self._sections.append((TITLE, str(folder)))
                report.user_properties[:] = item.user_properties
            report.sections += self._sections
        elif report.when == "teardown":
            report.sections += (
                self._sections
            )  # a JUnit file contains only the sections of the last report of a test
        return report

    def _emulations(self) -> list[tuple[str, str]]:
        """Return a section for each unit whose server is an emulation, with what the emulation lacks."""
        engines = {unit.name: unit.get("engine", "") for unit in self._live}
        return [
            (f"Server of {name}", engine)
            for name, engine in engines.items()
            if engine.startswith("emulation")
        ]

    def _status(self) -> Status | str:
        """Return the state of the stack; the text of the error if the supervisor does not answer."""
        try:
            return self._session.status() or ""
        except InfraError as error:
            return str(error)

    @property
    def _live(self) -> list[Unit]:
        """Return the units that the test is using now."""
        registry = self._stash.get(UnitRegistry.KEY, None)
        return registry.live if registry else []

    def _kit(self, process: str, status: Status | str) -> ServiceKit:
        """Return the service kit for a service, which can also be a copy of another service."""
        copies = {service.name: service.copy_of for service in _services(status)}
        return self._instances[copies.get(process) or process].kit

    def _copies_of_others(self, status: Status | str) -> set[str]:
        """Return the names of the copies of services that other tests use."""
        self._processes |= {unit.process for unit in self._live}
        copies = {service.name for service in _services(status) if service.copy_of}
        return copies - self._processes

    def _slices(self, *, without_start: bool = False) -> dict[str, str]:
        """Return service → the part of the service's log since the start of the test.

        Secrets are masked, and empty logs are omitted.
        """
        slices = {}
        secrets = self._secrets()
        for path in _logs(self._session.data):
            start = self._marks.get(path, self._opened.get(path, 0))
            if without_start:
                start = max(start, self._ready.get(path, 0))
            if text := _read(path, start):
                slices[path.stem] = redacted(text, secrets)
        return slices

    def _secrets(self) -> set[str]:
        return secrets_of(self._live, self._instances, self._session.secrets())

    def _write(
        self, item: pytest.Item, report: pytest.TestReport, slices: dict[str, str], status: Status | str
    ) -> Path | None:
        data = Path(self._session.data[-1])
        folder = data / FOLDER / name_of(item.nodeid)
        try:
            if item.nodeid not in self._written:
                with contextlib.suppress(OSError):
                    disk.remove(str(folder))  # the existing report is from an earlier run
                self._written[item.nodeid] = {}
                item.user_properties.append(("infra_capsule", str(folder)))
            make_folder(folder / "logs")
            for name, text in slices.items():
                write(folder / "logs" / f"{name}.log", text)
            secrets = self._secrets()
            write(folder / "events.jsonl", redacted("".join(_events(data, self._began)), secrets))
            described = self._describe(item, report, folder, status)
            write(folder / "capsule.json", redacted(json.dumps(described, indent=2), secrets))
        except OSError as error:
            report.sections.append((TITLE, f"could not be written: {error}"))
            return None
        return folder

    def _describe(
        self, item: pytest.Item, report: pytest.TestReport, folder: Path, status: Status | str
    ) -> dict[str, Any]:
        label = label_of(item)
        return {
            "test": item.nodeid,
            "label": label.name,
            "trace": label.trace_id,
            "phase": report.when,
            "began": self._began,
            "seconds": round(time.time() - self._began, 3),
            "failure": report.longreprtext[-4000:],
            "stack": status.to_json() if isinstance(status, Status) else {"error": status} if status else {},
            "dumps": self._save_units(item, report, folder, status),
            "executables": self._session.executables,
            "settings": self._session.settings,
        }

    def _save_units(
        self, item: pytest.Item, report: pytest.TestReport, folder: Path, status: Status | str
    ) -> dict[str, str]:
        """Write the content of a failed test's units to its report; return unit → the files, or an error.

        In the tear-down of the test, the units are already removed, and the files were written earlier.
        """
        if report.when != "teardown":
            answering = {service.name for service in _services(status) if service.phase is Phase.READY}
            saved = self._dumps.save(item.nodeid, self._live, folder, answering, self._secrets())
            self._written[item.nodeid] = saved.dumps
            for message in saved.messages:
                self._notes.add_message(message)
            if saved.kept:
                self._session.keep()
        return self._written[item.nodeid]


def _services(status: Status | str) -> Services:
    return status.services if isinstance(status, Status) else Services()


def name_of(nodeid: str) -> str:
    """Return a readable folder name for a test's id, without path separators."""
    return re.sub(r"[^A-Za-z0-9._\[\]-]+", "-", nodeid.replace("::", ".").replace("/", ".")).strip(".-")[:150]


def shorten(text: str) -> str:
    """Return the end of a text for pytest's output; the first line contains the number of omitted lines."""
    lines = text.splitlines()
    kept = lines[-LINES:]
    while len(kept) > 1 and sum(map(len, kept)) > CHARACTERS:
        kept = kept[1:]
    kept[-1:] = [line[-CHARACTERS:] for line in kept[-1:]]
    left_out = len(lines) - len(kept)
    head = [f"… {left_out} earlier lines are in the failure report"] if left_out else []
    return "\n".join(head + kept)


def without_others(text: str, owners: Collection[str], kit: ServiceKit) -> str:
    """Return a log without lines that contain the name of another worker's unit.

    The indented lines after such a line are also removed.
    """
    if not kit.unit_name:
        return text
    lines, included = [], True
    for line in text.splitlines():
        if not line.startswith("\t"):
            names = [match[0] for match in re.finditer(kit.unit_name, line)]
            included = not names or any(owner_of(name, kit) in owners for name in names)
        if included:
            lines.append(line)
    return "\n".join(lines)


def _logs(data: Iterable[str]) -> list[Path]:
    return sorted(_sizes(data))


def _sizes(data: Iterable[str]) -> Marks:
    """Return log file → size in bytes, for the logs in these data directories.

    The function runs for every test, so it only lists the folders.
    """
    sizes: Marks = {}
    for folder in data:
        with contextlib.suppress(FileNotFoundError), os.scandir(_folder(folder)) as entries:
            for entry in entries:
                if entry.name.endswith(".log") and entry.name != "supervisor.log":
                    sizes[Path(entry.path)] = entry.stat().st_size
    return sizes


@functools.cache
def _folder(data: str) -> str:
    return Paths(data).logs


def _read(path: Path, start: int) -> str:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if size < start:  # the log was rotated in the meantime, so all lines in the log are newer
                start = 0
            file.seek(max(start, size - SLICE_BYTES))
            return (
                file.read().lstrip(b"\0").decode(errors="replace")
            )  # a log above its limit begins with a hole
    except OSError:
        return ""


def _events(data: Path, since: float) -> list[str]:
    try:
        lines = Path(Paths(str(data)).journal).read_text(encoding="utf-8", errors="replace").splitlines(True)
    except OSError:
        return []
    events = []
    for line in reversed(lines):
        try:
            if json.loads(line)["time"] < since:
                break
        except (ValueError, KeyError):
            continue
        events.append(line)
    return events[::-1]
