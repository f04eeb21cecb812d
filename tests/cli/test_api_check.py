"""`infra dev api-check` with two documents: exit codes, output formats, errors."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from fakes.checks import BROKEN, GROWN, HEAD, PETS, Checks
from fakes.command_line import INFRA
from infra_cli.commands.dev import _api_rules, api_check
from infra_openapi import RULES, comparison
from infra_openapi.formats import FORMATS


def test_a_breaking_change_exits_with_1_by_default(check: Checks) -> None:
    said = check(*check.pair())

    assert said.code == 1
    assert "response-property-became-optional  revision.yaml:" in said.out
    assert "    in GET /pets, GET /pets/{id}" in said.out
    assert said.out.splitlines()[-1].startswith("breaking: 1 breaking")


@pytest.mark.parametrize("revision", [PETS, GROWN])
def test_a_compatible_change_exits_with_0(check: Checks, revision: str) -> None:
    said = check(*check.pair(revision=revision))

    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[-1].startswith("compatible: 0 breaking")


def test_a_change_of_a_shared_schema_is_one_finding_with_all_its_operations(check: Checks) -> None:
    (finding,) = [
        it for it in check(*check.pair(), "--format=json").json["findings"] if it["level"] == "breaking"
    ]

    assert [(it["method"], it["path"]) for it in finding["operations"]] == [
        ("GET", "/pets"),
        ("GET", "/pets/{id}"),
    ]
    assert finding["pointer"]["revision"]["line"] in range(20, 27)


def test_expand_prints_one_finding_for_each_operation(check: Checks) -> None:
    findings = check(*check.pair(), "--format=json", "--expand").json["findings"]

    assert [it["path"] for it in findings if it["level"] == "breaking"] == ["/pets", "/pets/{id}"]


@pytest.mark.parametrize(
    ("fail_on", "breaking", "warning", "compatible"),
    [("breaking", 1, 0, 0), ("warning", 1, 1, 0), ("none", 0, 0, 0)],
)
def test_fail_on_selects_the_level_that_exits_with_1(
    check: Checks, fail_on: str, breaking: int, warning: int, compatible: int
) -> None:
    check.pair()
    rule = "--rule=response-property-became-optional=warning"

    assert check("base.yaml", "revision.yaml", "--fail-on", fail_on).code == breaking
    assert check("base.yaml", "revision.yaml", "--fail-on", fail_on, rule).code == warning
    assert check("base.yaml", "base.yaml", "--fail-on", fail_on).code == compatible


def test_a_missing_file_exits_with_2_with_fail_on_none_too(check: Checks) -> None:
    check.pair()

    assert check("base.yaml", "gone.yaml", "--fail-on", "none").code == 2


def test_the_level_of_a_rule_can_be_set_by_its_id_or_by_an_oasdiff_id(check: Checks) -> None:
    check.pair()
    ours = check("base.yaml", "revision.yaml", "--rule", "response-property-became-optional=ignore")
    peers = check("base.yaml", "revision.yaml", "--rule", "response-property-became-optional=info")
    unknown = check("base.yaml", "revision.yaml", "--rule", "no-such-rule=info")
    wrong = check("base.yaml", "revision.yaml", "--rule", "response-property-became-optional=fatal")

    assert (ours.code, peers.code, unknown.code, wrong.code) == (0, 0, 2, 2)
    assert "no-such-rule" in unknown.err


def test_an_unknown_preset_is_an_error(check: Checks) -> None:
    said = check(*check.pair(), "--preset", "nice")

    assert said.code == 2
    assert "nice" in said.err


def test_json_is_short_for_format_json(check: Checks) -> None:
    assert check(*check.pair(), "--json").json == check(*check.pair(), "--format=json").json


def test_the_command_offers_every_format() -> None:
    assert tuple(FORMATS) == api_check.FORMATS


@pytest.mark.parametrize("form", api_check.FORMATS)
@pytest.mark.parametrize("revision", [BROKEN, PETS])
def test_the_exit_code_does_not_depend_on_the_format(check: Checks, form: str, revision: str) -> None:
    said = check(*check.pair(revision=revision), "--format", form)

    assert said.code == (1 if revision is BROKEN else 0)
    assert said.out.endswith("\n")
    assert said.err == ""


@pytest.mark.parametrize("form", api_check.FORMATS)
def test_a_failure_prints_no_report(check: Checks, form: str) -> None:
    """Standard output contains a complete report or nothing."""
    check.pair()

    said = check("base.yaml", "gone.yaml", "--format", form)

    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("infra: error: gone.yaml: the file does not exist\n")
    assert "hint: " in said.err
    assert "infra dev api-snapshot" in said.err


@pytest.mark.process
def test_annotations_have_paths_relative_to_the_root_of_the_repository(
    check: Checks, monkeypatch: pytest.MonkeyPatch
) -> None:
    check.write("api/openapi.yaml", PETS)
    check.commit()
    check.write("api/openapi.yaml", BROKEN)
    monkeypatch.chdir(check.root / "api")

    said = check("main:./openapi.yaml", "openapi.yaml", "--format=github")

    assert said.out.startswith("::error file=api/openapi.yaml,line=2")


def test_a_removed_operation_is_shown_on_the_nearest_line_of_the_revision(check: Checks) -> None:
    """An annotation on a line that the revision does not have would not be shown."""
    check.pair(PETS, PETS.replace("  /pets/{id}:", "  /animals/{id}:"))

    said = check("base.yaml", "revision.yaml", "--format=github", "--level=breaking")

    assert said.out.startswith("::error file=revision.yaml,line=")


def test_text_hides_findings_of_level_info_and_counts_them(check: Checks) -> None:
    check.pair(revision=GROWN)

    brief, whole = check("base.yaml", "revision.yaml"), check("base.yaml", "revision.yaml", "--level=info")

    assert "response-property-added" not in brief.out
    assert "(1 not shown)" in brief.out
    assert "response-property-added" in whole.out


def test_one_document_can_be_read_from_standard_input(check: Checks, monkeypatch: pytest.MonkeyPatch) -> None:
    check.pair()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(BROKEN.encode())))

    said = check("base.yaml", "-")

    assert said.code == 1
    assert "base.yaml → stdin" in said.out


def test_two_documents_from_standard_input_are_an_error(check: Checks) -> None:
    assert check("-", "-").code == 2


@pytest.mark.process
def test_documents_can_be_read_from_pipes_of_the_shell(check: Checks) -> None:
    check.pair()

    result = subprocess.run(
        ["bash", "-c", f"{INFRA} dev api-check <(cat base.yaml) <(cat revision.yaml)"],
        check=False,
        timeout=300,
    )

    assert result.returncode == 1


def test_a_wrong_number_of_documents_exits_with_2(check: Checks) -> None:
    check.pair()

    assert check("base.yaml").code == 2
    assert check("base.yaml", "revision.yaml", "third.yaml").code == 2
    assert check("base.yaml", "revision.yaml", "--format", "pdf").code == 2


def test_an_unexpected_exception_exits_with_2(check: Checks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python exits with 1 after a traceback, but 1 means that the API has a breaking change."""

    def fail(*_arguments: object, **_options: object) -> None:
        raise KeyError("lost")

    monkeypatch.setattr(comparison, "Walker", fail)

    said = check(*check.pair())

    assert said.code == 2
    assert "KeyError: 'lost'" in said.err
    assert "This is a bug" in said.err
    assert "Traceback" not in said.err


@pytest.mark.process
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_report_that_cannot_be_written_exits_with_2(check: Checks) -> None:
    check.pair(revision=PETS)

    with Path("/dev/full").open("w") as full:
        command = [INFRA, "dev", "api-check", "base.yaml", "revision.yaml"]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False, timeout=300)

    assert result.returncode == 2
    assert b"No space left" in result.stderr
    assert b"This is a bug" not in result.stderr


@pytest.mark.process
def test_without_the_extra_the_error_names_the_missing_package(check: Checks) -> None:
    check.pair()
    code = (
        "import sys; sys.modules['yaml'] = None; from infra_cli.main import run;"
        "sys.exit(run(['dev', 'api-check', 'base.yaml', 'revision.yaml']))"
    )

    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300
    )

    assert (result.returncode, result.stdout) == (2, "")
    assert "yaml is not installed" in result.stderr
    assert "pytest-infra[openapi]" in result.stderr


@pytest.mark.process
def test_equal_input_gives_equal_output_in_every_process(check: Checks) -> None:
    """The order of sets has no effect on the output."""
    check.pair(revision=BROKEN.replace("/pets:", "/animals:").replace("type: integer", "type: string"))
    code = "import sys; from infra_cli.main import run\n"
    code += "for form in sys.argv[1:]:\n"
    code += "    print(run(['dev', 'api-check', 'base.yaml', 'revision.yaml', '--format', form]), flush=True)"

    outputs = {
        subprocess.run(
            [sys.executable, "-c", code, *api_check.FORMATS],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            timeout=300,
        ).stdout
        for seed in ("1", "2", "3")
    }

    assert len(outputs) == 1
    assert outputs.pop().count(b"\n1\n") == len(api_check.FORMATS)


@pytest.mark.process
@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_a_terminal_gets_colours_unless_no_color_is_set(check: Checks, no_color: str, coloured: bool) -> None:
    check.pair()
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": no_color}

    process = subprocess.Popen(
        [INFRA, "dev", "api-check", "base.yaml", "revision.yaml"], stdout=theirs, env=environment
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # EIO: the last writer of the terminal has exited
            break
        if not part:
            break
        seen += part
    os.close(ours)

    assert process.wait(300) == 1
    assert (b"\x1b[31;1mbreaking" in seen) is coloured


def test_control_characters_of_a_document_are_escaped(check: Checks) -> None:
    evil = HEAD + 'paths: {"/x\\e[2J": {get: {responses: {"200": {description: ""}}}}}\n'

    said = check(*check.pair(evil, HEAD + "paths: {}\n"))

    assert said.code == 1
    assert "\x1b" not in said.out
    assert "\\x1b[2J" in said.out


def test_characters_that_standard_output_cannot_encode_are_escaped(check: Checks) -> None:
    check.write(
        "base.json", '{"openapi": "3.1.0", "paths": {"/\\ud800": {"get": {"responses": {"200": {}}}}}}'
    )
    check.write("revision.json", '{"openapi": "3.1.0", "paths": {}}')

    said = check("base.json", "revision.json")

    assert said.code == 1
    assert "\\ud800" in said.out


# --- rules -----------------------------------------------------------------------------------------


def test_every_rule_is_listed(check: Checks) -> None:
    said = check("--list-rules")

    assert said.code == 0
    assert [line.split()[0] for line in said.out.splitlines()[1:]] == list(RULES)
    assert [rule["id"] for rule in check("--list-rules", "--format=json").json] == list(RULES)


def test_every_rule_can_be_explained() -> None:
    for rule in RULES.values():
        first, *further = _api_rules.explanations(rule.id)

        assert first == f"{rule.id}  {rule.level}"
        assert " ".join(rule.explain.split()) in " ".join(" ".join(further).split())


def test_an_oasdiff_id_is_explained_by_the_corresponding_rules(check: Checks) -> None:
    rule = next(rule for rule in RULES.values() if rule.aliases)

    said = check("--explain", rule.aliases[0])

    assert said.code == 0
    assert f"{rule.id}  {rule.level}\n" in said.out


def test_explain_with_an_empty_name_is_an_error(check: Checks) -> None:
    said = check("--explain", "")

    assert said.code == 2
    assert "unknown rule ''" in said.err


def test_explain_with_an_unknown_name_suggests_a_rule(check: Checks) -> None:
    said = check("--explain", "response-property-became-optionl")

    assert said.code == 2
    assert "did you mean 'response-property-became-optional'?" in said.err
