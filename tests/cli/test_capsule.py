"""`infra dev capsule`: the failure reports of tests."""

from __future__ import annotations

import json

import pytest

from fakes.command_line import CommandLine


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
            "failure": "assert 0",
            "stack": {"services": [{"name": "shop", "phase": "ready", "restarts": 2, "reason": ""}]},
            "dumps": {"infra_test_a_1": "dumps/postgres/infra_test_a_1.sql"},
        }
        (folder / "capsule.json").write_text(json.dumps(report))
    return infra


def test_list_has_the_newest_last(failed: CommandLine) -> None:
    text, document = failed("dev", "capsule", "list"), failed("dev", "capsule", "list", "--json")

    assert [line.split()[0] for line in text.out.splitlines()[1:]] == [
        "test_shop.py::test_sell",
        "test_shop.py::test_buy",
    ]
    assert [report["phase"] for report in document.json["capsules"]] == ["call", "call"]


def test_show_prints_states_logs_and_the_paths_of_dumps(failed: CommandLine) -> None:
    shown = failed("dev", "capsule", "show", "test_buy")

    assert shown.code == 0
    assert "words of test_buy" in shown.out
    assert shown.out.endswith("--- trace\ntrace of test_buy\n")
    assert "restarted 2 times" in shown.out
    assert "infra_test_a_1: dumps/postgres/infra_test_a_1.sql" in shown.out


def test_show_as_json_has_the_logs(failed: CommandLine) -> None:
    shown = failed("dev", "capsule", "show", "test_sell", "--json").json

    assert shown["logs"] == {"shop": "words of test_sell\n"}
    assert list(shown["dumps"]) == ["infra_test_a_1"]


def test_a_test_without_a_failure_report_is_an_error(failed: CommandLine) -> None:
    shown = failed("dev", "capsule", "show", "test_gift")

    assert shown.code != 0
    assert "test_gift" in shown.err
