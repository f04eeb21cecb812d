"""`infra dev failure-report`: the failure reports of tests."""

from __future__ import annotations

import json

import pytest

from fakes.command_line import CommandLine

pytestmark = pytest.mark.process


@pytest.fixture
def failed(infra: CommandLine) -> CommandLine:
    """Run `infra` in a project where two tests have failed."""
    infra.write('use = ["x"]\n[services.x]\ncommand = ["true"]\n')
    for began, name in enumerate(["test_sell", "test_buy"]):
        folder = infra.root / ".data-test" / "capsules" / name
        (folder / "logs").mkdir(parents=True)
        (folder / "logs" / "shop.log").write_text(f"words of {name}\n")
        (folder / "trace.txt").write_text(f"trace of {name}\n")
        report = {
            "test": f"test_shop.py::{name}",
            "phase": "call",
            "began": began,
            "seconds": 1.5,
            "failure": "assert 0",
            "stack": {"services": [{"name": "shop", "phase": "ready", "restarts": 2, "reason": ""}]},
            "dumps": {"infra_test_a_1": "dumps/postgres/infra_test_a_1.sql"},
        }
        (folder / "capsule.json").write_text(json.dumps(report))
    return infra


def test_list_has_the_newest_last(failed: CommandLine) -> None:
    text, document = (
        failed("dev", "failure-report", "list"),
        failed("dev", "failure-report", "list", "--json"),
    )

    assert [line.split()[0] for line in text.out.splitlines()[1:]] == [
        "test_shop.py::test_sell",
        "test_shop.py::test_buy",
    ]
    assert [report["phase"] for report in document.json["capsules"]] == ["call", "call"]


def test_the_former_name_of_the_command_is_an_alias_that_the_help_does_not_list(failed: CommandLine) -> None:
    alias, command = failed("dev", "capsule", "list"), failed("dev", "failure-report", "list")

    assert alias.out == command.out
    assert "capsule" not in failed("dev", "--help").out


def test_show_prints_states_logs_and_the_paths_of_dumps(failed: CommandLine) -> None:
    answer = failed("dev", "failure-report", "show", "test_buy")

    assert answer.code == 0
    assert "words of test_buy" in answer.out
    assert answer.out.endswith("--- trace\ntrace of test_buy\n")
    assert "restarted 2 times" in answer.out
    assert "infra_test_a_1: dumps/postgres/infra_test_a_1.sql" in answer.out


def test_show_as_json_has_the_logs(failed: CommandLine) -> None:
    answer = failed("dev", "failure-report", "show", "test_sell", "--json").json

    assert answer["logs"] == {"shop": "words of test_sell\n"}
    assert list(answer["dumps"]) == ["infra_test_a_1"]


def test_a_test_without_a_failure_report_is_an_error(failed: CommandLine) -> None:
    answer = failed("dev", "failure-report", "show", "test_gift")

    assert answer.code != 0
    assert "test_gift" in answer.err


def test_a_report_is_exported_and_imported_in_another_data_directory(failed: CommandLine) -> None:
    exported = failed("dev", "failure-report", "export", "test_buy", "--output", "report.zip")
    imported = failed("dev", "failure-report", "import", "report.zip", "--data", "other")

    assert (exported.code, exported.out) == (0, "report.zip\n")
    assert imported.code == 0
    answer = failed("dev", "failure-report", "show", "test_buy", "--data", "other")
    assert "words of test_buy" in answer.out


def test_a_file_that_is_not_an_archive_is_not_imported(failed: CommandLine) -> None:
    (failed.root / "other.zip").write_bytes(b"x")

    imported = failed("dev", "failure-report", "import", "other.zip")

    assert imported.code == 1
    assert "is not a ZIP file" in imported.err
