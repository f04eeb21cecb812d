"""Failure reports: the logs of the services during a failed test, in pytest's output and in a folder.

The folder is `capsules/TEST` in the data directory. It contains `capsule.json` (states, restarts,
executables, settings with secrets masked), `logs/SERVICE.log` (the log during the test), `events.jsonl`
(the journal during the test), `trace.json` and `trace.txt` (the test's trace, if the stack stores traces),
`units.json` and `dumps/` (the test's isolation units). Only their owner can read the files. Secrets are
masked in all files, with one exception: `units.json` contains the passwords of units that are kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Generator
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
from pytest_infra.notes import DETAILS, Notes
from pytest_infra.private_files import make_folder, write
from pytest_infra.report import waterfall
from pytest_infra.report.log_files import LogFiles, without_others
from pytest_infra.report.redaction import secrets_of
from pytest_infra.report.tracing import Tracing
from pytest_infra.report.unit_dumps import UnitDumps
from pytest_infra.session import Session
from pytest_infra.unit_registry import UnitRegistry

if TYPE_CHECKING:
    from pytest_infra.isolation.unit import Unit
    from pytest_infra.kit import ServiceKit
    from pytest_infra.spans import Trace

#: pytest's output contains the end of each log: at most this number of lines and this number of characters.
#: The folder contains the log during the test.
LINES, CHARACTERS = 40, 6_000
#: The maximum length of the name of the folder.
_NAME_LENGTH = 150
#: The maximum number of lines of the trace in pytest's output; and the width of the lines in `trace.txt`,
#: the file with the complete trace.
TRACE_LINES, TRACE_COLUMNS = 15, 160
FOLDER = "capsules"
#: The title of the section in pytest's output that contains the path of the folder.
TITLE = "Failure report"


class Capsules:
    """The plugin that writes failure reports, with the logs and the trace of the failed test."""

    def __init__(self, session: Session, config: pytest.Config) -> None:
        self._session = session
        self._notes, self._instances = Notes.of(config), Instances.of(config)
        self._stash = config.stash
        self._dumps = UnitDumps(self._instances, keep=options.read(config).keep)
        self._files = config.stash[LogFiles.KEY] = LogFiles(session.data)
        self._tracing = Tracing(session, config, self._secrets)
        session.on_open.append(self._files.opened)
        session.on_ready += [self._files.ready, self._tracing.ready]
        session.on_prepared.append(self._files.prepared)
        self._notes.closing.callback(self._tracing.close)
        #: the sections of the running test's report, after one of its phases has failed
        self._sections: list[tuple[str, str]] = []
        #: the services and copies of services that contain units of the running test
        self._processes: set[str] = set()
        #: test → unit → the files of the unit's dump, for the failed tests of this run
        self._written: dict[str, dict[str, str]] = {}
        # xdist's workers share the services, so a log also contains lines from tests of other workers.
        self._shared = " (shared with other workers)" if "PYTEST_XDIST_WORKER" in os.environ else ""

    def pytest_runtest_logstart(self) -> None:
        """Record the sizes of the logs at the start of a test."""
        self._files.begin()
        self._processes.clear()
        self._sections.clear()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[Any]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """After a failed phase of a test, add the services' logs to pytest's output and write the report.

        If this process has not opened a stack, nothing is added or written.
        """
        report = yield
        vars(report)[DETAILS] = self._tracing.record(item, call, report)
        if report.failed and self._session.data:
            slices, status = self._slices(), self._status()
            foreign_copies = self._copies_of_others(status)
            trace = self._tracing.trace(item, _ready_services(status), wait=True)
            folder = self._write(item, report, slices, status, trace)
            texts = {
                name: shorten(without_others(text, self._notes.owners, self._kit(name, status)))
                for name, text in self._slices(without_start=True).items()
            }
            self._sections = [
                (f"Captured log of {name}{self._shared}", text)
                for name, text in texts.items()
                if text and name not in foreign_copies
            ]
            self._sections += self._emulations()
            self._sections += self._waterfall(trace)
            if folder is not None:
                self._sections.append((TITLE, str(folder)))
                report.user_properties[:] = item.user_properties
            report.sections += self._sections
        elif report.when == "teardown":
            if self._sections:  # an earlier phase has failed, and the teardown belongs to the trace, too
                trace = self._tracing.trace(item, _ready_services(self._status()), wait=False)
                with contextlib.suppress(OSError):
                    self._write_trace(self._folder(item), trace)
            # a JUnit file contains only the sections of the last report of a test
            report.sections += self._sections
        return report

    def _waterfall(self, trace: Trace | None) -> list[tuple[str, str]]:
        """Return a section with the failed and the longest spans of a trace, if it has spans of services."""
        if trace is None or not waterfall.has_services(trace.spans):
            return []
        lines = waterfall.waterfall(trace.spans, shutil.get_terminal_size().columns, TRACE_LINES)
        return [("Trace", redacted("\n".join(lines), self._secrets()))]

    def _emulations(self) -> list[tuple[str, str]]:
        """Return a section for each unit whose server is an emulation of the real server.

        The section contains the export `engine`, which describes the emulation.
        """
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
        """Return the service kit for a service, or for a copy of a service."""
        copies = {service.name: service.copy_of for service in _services(status)}
        return self._instances[copies.get(process) or process].kit

    def _copies_of_others(self, status: Status | str) -> set[str]:
        """Return the names of the service copies that belong to other tests."""
        self._processes |= {unit.process for unit in self._live}
        copies = {service.name for service in _services(status) if service.copy_of}
        return copies - self._processes

    def _slices(self, *, without_start: bool = False) -> dict[str, str]:
        """Return a mapping from service to the part of its log since the start of the test.

        Secrets are masked.
        """
        secrets = self._secrets()
        parts = self._files.parts(without_start=without_start)
        return {name: redacted(text, secrets) for name, text in parts.items()}

    def _secrets(self) -> set[str]:
        return secrets_of(self._live, self._instances, self._session.secrets())

    def _folder(self, item: pytest.Item) -> Path:
        return Path(self._session.data[-1]) / FOLDER / name_of(item.nodeid)

    def _write(
        self,
        item: pytest.Item,
        report: pytest.TestReport,
        slices: dict[str, str],
        status: Status | str,
        trace: Trace | None,
    ) -> Path | None:
        data, folder = Path(self._session.data[-1]), self._folder(item)
        try:
            if item.nodeid not in self._written:
                with contextlib.suppress(OSError):
                    # The existing report is from an earlier run, or of a test with the same folder name.
                    disk.remove(str(folder))
                self._written[item.nodeid] = {}
                item.user_properties.append(("infra_capsule", str(folder)))
            make_folder(folder / "logs")
            for name, text in slices.items():
                write(folder / "logs" / f"{name}.log", text)
            secrets = self._secrets()
            write(folder / "events.jsonl", redacted("".join(_events(data, self._files.began)), secrets))
            self._write_trace(folder, trace)
            described = self._describe(item, report, folder, status)
            write(folder / "capsule.json", redacted(json.dumps(described, indent=2), secrets))
        except OSError as error:
            report.sections.append((TITLE, f"the failure report could not be written: {error}"))
            return None
        return folder

    def _write_trace(self, folder: Path, trace: Trace | None) -> None:
        """Write a trace as JSON and as text."""
        if trace is None:
            return
        secrets = self._secrets()
        parts = {name: [record._asdict() for record in getattr(trace, name)] for name in ("spans", "logs")}
        write(folder / "trace.json", redacted(json.dumps({"trace": trace.id, **parts}, indent=2), secrets))
        write(folder / "trace.txt", redacted(waterfall.text(trace, TRACE_COLUMNS), secrets))

    def _describe(
        self, item: pytest.Item, report: pytest.TestReport, folder: Path, status: Status | str
    ) -> dict[str, Any]:
        label = label_of(item)
        return {
            "test": item.nodeid,
            "label": label.name,
            "trace": label.trace_id,
            "phase": report.when,
            "began": self._files.began,
            "seconds": round(time.time() - self._files.began, 3),
            "failure": report.longreprtext[-4000:],
            "stack": status.to_json() if isinstance(status, Status) else {"error": status} if status else {},
            "dumps": self._save_units(item, report, folder, status),
            "executables": self._session.executables,
            "settings": self._session.settings,
        }

    def _save_units(
        self, item: pytest.Item, report: pytest.TestReport, folder: Path, status: Status | str
    ) -> dict[str, str]:
        """Write the content of a failed test's units to its report.

        Return a mapping from unit to the names of the written files, or to the reason why there are none; a
        unit without a dump function is missing. After the tear-down of the test, the units are removed, so
        the mapping of the earlier phase is returned.
        """
        if report.when != "teardown":
            saved = self._dumps.save(
                item.nodeid, self._live, folder, _ready_services(status), self._secrets()
            )
            self._written[item.nodeid] = saved.dumps
            for message in saved.messages:
                self._notes.add_message(message)
            if saved.kept:
                self._notes.kept += saved.kept
                self._session.keep()
        return self._written[item.nodeid]


def _services(status: Status | str) -> Services:
    return status.services if isinstance(status, Status) else Services()


def _ready_services(status: Status | str) -> set[str]:
    """Return the names of the services that are ready."""
    return {service.name for service in _services(status) if service.phase is Phase.READY}


def name_of(nodeid: str) -> str:
    """Return a readable folder name for a test's id, without path separators, of at most 150 characters.

    A longer name is cut and ends with a hash of the id. Two ids that differ only in replaced characters have
    the same name.
    """
    name = re.sub(r"[^A-Za-z0-9._\[\]-]+", "-", nodeid.replace("::", ".").replace("/", ".")).strip(".-")
    if len(name) <= _NAME_LENGTH:
        return name
    digest = hashlib.sha256(nodeid.encode()).hexdigest()[:8]
    return f"{name[: _NAME_LENGTH - 9]}-{digest}"


def shorten(text: str) -> str:
    """Return the end of a text for pytest's output; if lines are omitted, the first line is their number."""
    lines = text.splitlines()
    last_lines = lines[-LINES:]
    while len(last_lines) > 1 and sum(map(len, last_lines)) > CHARACTERS:
        last_lines = last_lines[1:]
    last_lines[-1:] = [line[-CHARACTERS:] for line in last_lines[-1:]]
    omitted_count = len(lines) - len(last_lines)
    head = [f"… {omitted_count} earlier lines are in the failure report"] if omitted_count else []
    return "\n".join(head + last_lines)


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
