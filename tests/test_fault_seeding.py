"""`tests/fault_seeding.py` seeds one fault, and selects the tests that execute the changed statement."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from coverage import CoverageData

import fault_seeding
from fakes import executed_lines
from fakes.samples import every
from fault_seeding import Fault, Record

MODULE = """\
def answer(value):
    if (
        value == 1
    ):
        return print(
            "text",
            True,
        )
    match value:
        case 2:
            notify(value)
    while value:
        value += 7
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The path of a module in a checkout with two test files, of which one mirrors the module."""
    path = "runtime/src/infra_runtime/logs/line.py"
    for name, text in {path: MODULE, "tests/runtime/logs/test_line.py": ""}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(fault_seeding, "ROOT", tmp_path)
    return path


def test_each_kind_of_node_has_its_fault(module: str) -> None:
    faults = [(fault.line, fault.operator) for fault in fault_seeding.faults()]

    assert faults == [
        (2, "negate the condition"),
        (3, "replace the comparison"),
        (3, "change the constant"),
        (7, "change the constant"),
        (10, "change the constant"),
        (11, "drop the statement"),
        (12, "negate the condition"),
        (13, "drop the statement"),
        (13, "change the constant"),
    ]


def test_each_fault_changes_the_module_and_leaves_it_valid(module: str) -> None:
    original = ast.unparse(ast.parse(MODULE))
    texts = [fault_seeding.faulty(fault) for fault in fault_seeding.faults()]

    assert len({original, *texts}) == 1 + len(texts)
    assert all(ast.parse(text) for text in texts)


def test_the_lines_of_a_fault_are_those_of_its_statement_without_the_body(module: str) -> None:
    lines = {
        fault.line: list(fault_seeding.statement_lines(fault))
        for fault in fault_seeding.faults()
        if fault.operator == "change the constant"
    }

    assert lines == {3: [2, 3, 4], 7: [5, 6, 7, 8], 10: [10], 13: [13]}


@pytest.fixture
def lines() -> Iterator[CoverageData]:
    data = CoverageData(no_disk=True)
    yield data
    data.close(force=True)


def test_the_tests_that_execute_the_statement_run_in_the_order_of_their_duration(
    module: str, lines: CoverageData
) -> None:
    for context, line in {
        "tests/runtime/test_other.py::test_quick": 11,
        "tests/runtime/logs/test_line.py::test_slow": 11,
        "tests/runtime/logs/test_line.py::test_of_another_line": 5,
        "tests/runtime/test_fixture.py": 11,
        "tests/runtime/test_failed.py::test_fails": 11,
    }.items():
        lines.set_context(context)
        lines.add_lines({module: [line]})
    seconds = {
        "tests/runtime/test_fixture.py::test_uses_it": 0.2,
        "tests/runtime/test_other.py::test_quick": 0.1,
        "tests/runtime/logs/test_line.py::test_of_another_line": 0.1,
        "tests/runtime/logs/test_line.py::test_slow": 9.0,
    }
    fault = next(fault for fault in fault_seeding.faults() if fault.line == 11)

    assert Record(lines=lines, seconds=seconds).tests(fault) == [
        "tests/runtime/logs/test_line.py::test_slow",
        "tests/runtime/test_other.py::test_quick",
        "tests/runtime/test_fixture.py::test_uses_it",
    ]


def test_a_statement_that_an_import_executes_is_tested_by_the_quickest_other_tests_too(
    module: str, lines: CoverageData
) -> None:
    for context in (fault_seeding.NO_TEST, "tests/test_a.py::test_slow"):
        lines.set_context(context)
        lines.add_lines({module: [13]})
    limit = fault_seeding.OTHERS_SECONDS
    seconds = {
        "tests/test_a.py::test_slow": 2 * limit,
        "tests/test_a.py::test_that_takes_the_rest": 0.9 * limit,
        "tests/test_b.py::test_quick": 0.1,
        "tests/test_b.py::test_too_slow": limit,
    }
    fault = next(fault for fault in fault_seeding.faults() if fault.line == 13)

    assert Record(lines=lines, seconds=seconds).tests(fault) == [
        "tests/test_a.py::test_slow",
        "tests/test_b.py::test_quick",
        "tests/test_a.py::test_that_takes_the_rest",
    ]


@every(
    [
        ("runtime/src/infra_runtime/redaction.py", ["tests/runtime/test_redaction.py"]),
        ("cli/src/infra_cli/commands/bin/verify.py", ["tests/cli/test_bin.py"]),
        ("cli/src/infra_cli/commands/dev/failure_report.py", ["tests/cli/test_failure_report.py"]),
        (
            "pytest_infra/src/pytest_infra/services/traefik/isolation.py",
            ["tests/runtime/services/test_traefik.py"],
        ),
        (
            "pytest_infra/src/pytest_infra/services/etcd/dump.py",
            ["tests/pytest_infra/services/etcd/test_units.py"],
        ),
    ]
)
def test_a_module_without_a_test_file_has_that_of_its_folder_or_name(path: str, files: list[str]) -> None:
    fault = Fault(path=path, line=1, number=0, operator="")

    assert fault_seeding.mirroring_files(fault) == files


def test_only_the_selected_tests_run_and_in_the_order_of_the_selection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "selection.json").write_text(json.dumps(["test_c", "test_a"]), encoding="utf-8")
    monkeypatch.setenv(executed_lines.SELECTION_FILE, str(tmp_path / "selection.json"))
    items: list[Any] = [SimpleNamespace(nodeid=name) for name in ("test_a", "test_b", "test_c")]

    executed_lines.pytest_collection_modifyitems(items)

    assert [item.nodeid for item in items] == ["test_c", "test_a"]
