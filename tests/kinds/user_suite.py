"""A user's test suite in a separate pytest process, and the code that its tests run."""

from __future__ import annotations

import json
import os
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fakes import forked
from fakes.stacks import until
from fakes.suite import FOREIGN
from infra_runtime.engines.local.stack import Endpoint
from kinds import contract

#: the folder on the import path of the tests
TESTS = Path(__file__).parent.parent
#: what a test leaves for the contract suite
NOTE = "unit-{number}.json"
#: the suite of a user: two tests that write under the same name at the same time, and fail
FAILING = """
import pytest
from kinds import user_suite

@pytest.mark.parametrize("number", range(2))
def test_unit({fixture}, infra_stack, number):
    user_suite.note("{kind}", {fixture}, infra_stack.data, number)
    pytest.fail("to have a report")
"""
#: the suite of a user that is killed in the middle of a test
WAITING = """
import time
from kinds import user_suite

def test_unit({fixture}, infra_stack):
    user_suite.note("{kind}", {fixture}, infra_stack.data, 0, others=0)
    time.sleep(600)
"""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A user's suite in a separate folder."""

    folder: Path

    @property
    def data(self) -> Path:
        """The data directory of its stack."""
        return self.folder / ".data-test"

    def run(self, *arguments: str, plugins: Container[str] = ()) -> str:
        """Run pytest in a fork of this process until it exits, and return its output."""
        program = self._program(*arguments, plugins=plugins)
        return forked.run(program, self.folder, contract.PATIENCE, environ=self._environ(), merge=True).out

    @contextmanager
    def running(self) -> Iterator[forked.Running]:
        """Run pytest in a fork of this process, which is killed at the end of the block."""
        with (self.folder / "output").open("w+b") as file:
            running = forked.Running(self._program(), self.folder, (file, file, file), self._environ())
        try:
            yield running
        finally:
            running.kill()
            running.wait()

    def _program(self, *arguments: str, plugins: Container[str] = ()) -> forked.Program:
        others = (f"-pno:{name}" for name in FOREIGN if name not in plugins)
        return forked.pytest_program(
            [f"--basetemp={self.folder}/temporary", *others, *arguments], self.folder
        )

    def _environ(self) -> dict[str, str]:
        path = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))
        return {**os.environ, "PYTHONPATH": path}

    def note(self, number: int) -> dict[str, Any]:
        """Return the note of a test."""
        return json.loads((self.folder / NOTE.format(number=number)).read_text(encoding="utf-8"))


def suite_of(kind: str, folder: Path, test: str) -> Suite:
    """Write a suite with one module; `{kind}` and `{fixture}` are replaced by the names of the kind."""
    stack = f'use = ["{kind}"]\n{contract.table(kind, kind)}'
    (folder / "infra.toml").write_text(stack, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n", encoding="utf-8")
    text = test.replace("{kind}", kind).replace("{fixture}", kind.replace("-", "_"))
    (folder / "test_it.py").write_text(text, encoding="utf-8")
    contract.subject(kind)  # imports the client library of the kind before the process is forked
    return Suite(folder=folder)


def note(kind: str, unit: Endpoint, data: Path, number: int, others: int = 1) -> None:
    """Write into the unit, wait for the other test, and note what is read and which secrets exist."""
    before = contract.read(kind, unit, "name")
    contract.write(kind, unit, "name", value(number))
    Path(f"written-{number}").touch()
    until(lambda: len(list(Path().glob("written-*"))) > others, contract.PATIENCE)
    observed = {
        "worker": os.environ.get("PYTEST_XDIST_WORKER", ""),
        "data": str(data),
        "before": before,
        "read": contract.read(kind, unit, "name"),
        "secrets": sorted(contract.secrets(data, unit)),
    }
    path = Path(NOTE.format(number=number))
    path.with_suffix(".new").write_text(json.dumps(observed), encoding="utf-8")
    path.with_suffix(".new").rename(path)


def value(number: int) -> str:
    """Return the value that the test of this number writes."""
    return f"value-of-test-{number}"
