"""`infra dev api-check` with two documents: its verdict is its exit code, and its output says why."""

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
from infra_cli.commands.dev import api_check
from infra_openapi import RULES, comparison
from infra_openapi.formats import FORMATS


def test_what_breaks_a_client_ends_with_1_without_being_asked_to(check: Checks) -> None:
    said = check(*check.pair())

    assert said.code == 1
    assert "response-property-became-optional  revision.yaml:" in said.out
    assert "    in GET /pets, GET /pets/{id}" in said.out
    assert said.out.splitlines()[-1].startswith("breaking: 1 breaking")


@pytest.mark.parametrize("revision", [PETS, GROWN])
def test_what_breaks_nobody_ends_with_0(check: Checks, revision: str) -> None:
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


def test_expanded_it_is_one_for_each_operation(check: Checks) -> None:
    findings = check(*check.pair(), "--format=json", "--expand").json["findings"]

    assert [it["path"] for it in findings if it["level"] == "breaking"] == ["/pets", "/pets/{id}"]


@pytest.mark.parametrize(
    ("fail_on", "breaking", "warning", "compatible"),
    [("breaking", 1, 0, 0), ("warning", 1, 1, 0), ("none", 0, 0, 0)],
)
def test_fail_on_moves_the_line_between_0_and_1(
    check: Checks, fail_on: str, breaking: int, warning: int, compatible: int
) -> None:
    check.pair()
    rule = "--rule=response-property-became-optional=warning"

    assert check("base.yaml", "revision.yaml", "--fail-on", fail_on).code == breaking
    assert check("base.yaml", "revision.yaml", "--fail-on", fail_on, rule).code == warning
    assert check("base.yaml", "base.yaml", "--fail-on", fail_on).code == compatible


def test_fail_on_none_still_cannot_compare_what_is_not_there(check: Checks) -> None:
    check.pair()

    assert check("base.yaml", "gone.yaml", "--fail-on", "none").code == 2


def test_a_rule_can_be_judged_anew_by_our_id_or_the_peers(check: Checks) -> None:
    check.pair()
    ours = check("base.yaml", "revision.yaml", "--rule", "response-property-became-optional=ignore")
    peers = check("base.yaml", "revision.yaml", "--rule", "response-property-became-optional=info")
    unknown = check("base.yaml", "revision.yaml", "--rule", "no-such-rule=info")
    wrong = check("base.yaml", "revision.yaml", "--rule", "response-property-became-optional=fatal")

    assert (ours.code, peers.code, unknown.code, wrong.code) == (0, 0, 2, 2)
    assert "no-such-rule" in unknown.err


def test_an_unknown_preset_is_told(check: Checks) -> None:
    said = check(*check.pair(), "--preset", "nice")

    assert said.code == 2
    assert "nice" in said.err


def test_json_is_the_short_word_for_that_format(check: Checks) -> None:
    assert check(*check.pair(), "--json").json == check(*check.pair(), "--format=json").json


def test_the_commands_formats_are_those_that_there_are() -> None:
    assert tuple(FORMATS) == api_check.FORMATS


@pytest.mark.parametrize("form", api_check.FORMATS)
@pytest.mark.parametrize("revision", [BROKEN, PETS])
def test_no_format_changes_the_exit_code(check: Checks, form: str, revision: str) -> None:
    said = check(*check.pair(revision=revision), "--format", form)

    assert said.code == (1 if revision is BROKEN else 0)
    assert said.out.endswith("\n")
    assert said.err == ""


@pytest.mark.parametrize("form", api_check.FORMATS)
def test_a_failure_prints_no_report(check: Checks, form: str) -> None:
    """A program that reads standard output never takes half an answer for one."""
    check.pair()

    said = check("base.yaml", "gone.yaml", "--format", form)

    assert (said.code, said.out) == (2, "")
    assert said.err == "infra: error: gone.yaml: does not exist\n"


@pytest.mark.process
def test_annotations_name_files_from_the_top_of_the_repository(
    check: Checks, monkeypatch: pytest.MonkeyPatch
) -> None:
    check.write("api/openapi.yaml", PETS)
    check.commit()
    check.write("api/openapi.yaml", BROKEN)
    monkeypatch.chdir(check.root / "api")

    said = check("main:./openapi.yaml", "openapi.yaml", "--format=github")

    assert said.out.startswith("::error file=api/openapi.yaml,line=2")


def test_what_is_gone_is_shown_where_it_was(check: Checks) -> None:
    """Its line is of the revision: an annotation on a line that is no more would be shown nowhere."""
    check.pair(PETS, PETS.replace("  /pets/{id}:", "  /animals/{id}:"))

    said = check("base.yaml", "revision.yaml", "--format=github", "--level=breaking")

    assert said.out.startswith("::error file=revision.yaml,line=")


def test_text_hides_what_is_harmless_and_says_how_many(check: Checks) -> None:
    check.pair(revision=GROWN)

    brief, whole = check("base.yaml", "revision.yaml"), check("base.yaml", "revision.yaml", "--level=info")

    assert "response-property-added" not in brief.out
    assert "(1 not shown)" in brief.out
    assert "response-property-added" in whole.out


def test_one_document_may_come_from_standard_input(check: Checks, monkeypatch: pytest.MonkeyPatch) -> None:
    check.pair()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(BROKEN.encode())))

    said = check("base.yaml", "-")

    assert said.code == 1
    assert "base.yaml → stdin" in said.out


def test_both_may_not(check: Checks) -> None:
    assert check("-", "-").code == 2


@pytest.mark.process
def test_a_shells_pipes_are_documents_too(check: Checks) -> None:
    check.pair()

    done = subprocess.run(
        ["bash", "-c", f"{INFRA} dev api-check <(cat base.yaml) <(cat revision.yaml)"],
        check=False,
        timeout=60,
    )

    assert done.returncode == 1


def test_one_document_is_a_mistake_and_no_verdict(check: Checks) -> None:
    check.pair()

    assert check("base.yaml").code == 2
    assert check("base.yaml", "revision.yaml", "third.yaml").code == 2
    assert check("base.yaml", "revision.yaml", "--format", "pdf").code == 2


def test_a_mistake_of_ours_is_no_verdict_either(check: Checks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python ends with 1 after a traceback, and 1 means that the API breaks."""

    def fail(*_arguments: object, **_options: object) -> None:
        raise KeyError("lost")

    monkeypatch.setattr(comparison, "Walker", fail)

    said = check(*check.pair())

    assert said.code == 2
    assert "KeyError: 'lost'" in said.err
    assert "mistake of ours" in said.err
    assert "Traceback" not in said.err


@pytest.mark.process
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_report_that_cannot_be_written_is_no_verdict(check: Checks) -> None:
    check.pair(revision=PETS)

    with Path("/dev/full").open("w") as full:
        command = [INFRA, "dev", "api-check", "base.yaml", "revision.yaml"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False, timeout=60)

    assert done.returncode == 2
    assert b"No space left" in done.stderr
    assert b"mistake of ours" not in done.stderr


@pytest.mark.process
def test_the_bare_install_says_what_is_missing(check: Checks) -> None:
    check.pair()
    code = (
        "import sys; sys.modules['yaml'] = None; from infra_cli.main import run;"
        "sys.exit(run(['dev', 'api-check', 'base.yaml', 'revision.yaml']))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert "yaml is not installed" in done.stderr
    assert "pytest-infra[openapi]" in done.stderr


@pytest.mark.process
def test_the_same_input_makes_the_same_bytes_in_another_process(check: Checks) -> None:
    """Whatever order its sets are in."""
    check.pair(revision=BROKEN.replace("/pets:", "/animals:").replace("type: integer", "type: string"))
    for form in api_check.FORMATS:
        outputs = {
            subprocess.run(
                [INFRA, "dev", "api-check", "base.yaml", "revision.yaml", "--format", form],
                env={**os.environ, "PYTHONHASHSEED": seed},
                capture_output=True,
                check=False,
                timeout=60,
            ).stdout
            for seed in ("1", "2", "3")
        }

        assert len(outputs) == 1


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
        except OSError:  # EIO is how a terminal says that nobody is left
            break
        if not part:
            break
        seen += part
    os.close(ours)

    assert process.wait(60) == 1
    assert (b"\x1b[31;1mbreaking" in seen) is coloured


def test_a_document_cannot_move_the_terminals_cursor(check: Checks) -> None:
    evil = HEAD + 'paths: {"/x\\e[2J": {get: {responses: {"200": {description: ""}}}}}\n'

    said = check(*check.pair(evil, HEAD + "paths: {}\n"))

    assert said.code == 1
    assert "\x1b" not in said.out
    assert "\\x1b[2J" in said.out


def test_what_standard_output_cannot_encode_is_escaped(check: Checks) -> None:
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


def test_every_rule_explains_itself(check: Checks) -> None:
    for rule in RULES.values():
        said = check("--explain", rule.id)

        assert said.code == 0
        assert said.out.startswith(f"{rule.id}  {rule.level}\n")
        assert " ".join(rule.explain.split()) in " ".join(said.out.split())


def test_a_peers_id_is_explained_by_our_rules(check: Checks) -> None:
    rule = next(rule for rule in RULES.values() if rule.aliases)

    said = check("--explain", rule.aliases[0])

    assert said.code == 0
    assert rule.id in said.out


def test_a_rule_without_a_name_is_no_comparison(check: Checks) -> None:
    said = check("--explain", "")

    assert said.code == 2
    assert "there is no rule ''" in said.err


def test_an_unknown_rule_is_no_verdict(check: Checks) -> None:
    said = check("--explain", "response-property-became-optionl")

    assert said.code == 2
    assert "did you mean 'response-property-became-optional'?" in said.err
