"""`infra dev api-check` with the APIs of the stack file: check, accept, update."""

from __future__ import annotations

import json

import pytest

from fakes.checks import BROKEN, GROWN, PETS, Checks
from fakes.command_line import CommandLine

STACK = '[api.pets]\nsnapshot = "openapi.yaml"\nsource = "today.yaml"\n'
RULE = "response-property-became-optional"


@pytest.fixture
def pets(check: Checks) -> Checks:
    """A stack file with one API, which breaks its snapshot."""
    check.write("infra.toml", STACK)
    check.write("openapi.yaml", PETS)
    check.write("today.yaml", BROKEN)
    return check


def fingerprint(check: Checks) -> str:
    findings = check("--format=json").json["findings"]
    return next(str(it["fingerprint"]) for it in findings if it["level"] == "breaking")


def test_without_arguments_the_declared_apis_are_checked(pets: Checks) -> None:
    said = pets()

    assert said.code == 1
    assert "pets: openapi.yaml → today.yaml" in said.out


def test_paths_are_relative_to_the_stack_file_in_a_subdirectory(
    pets: Checks, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = pets.root / "docs"
    below.mkdir()
    monkeypatch.chdir(below)

    said = pets()

    assert said.code == 1
    assert "pets: ../openapi.yaml → ../today.yaml" in said.out


def test_the_option_directory_selects_the_stack_file(pets: Checks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")

    assert pets("-C", str(pets.root)).code == 1


def test_a_missing_snapshot_is_an_error_with_the_command_that_writes_it(pets: Checks) -> None:
    (pets.root / "openapi.yaml").unlink()

    said = pets()

    assert said.code == 2
    assert "infra dev api-check --api pets --update" in said.err
    assert pets("--api", "pets", "--update").code == 0
    assert pets().code == 0


def test_apis_can_be_declared_in_pyproject(pets: Checks) -> None:
    (pets.root / "infra.toml").unlink()
    pets.write("pyproject.toml", STACK.replace("[api.", "[tool.infra.api."))

    assert pets().code == 1


def test_the_worst_verdict_of_several_apis_decides_the_exit_code(pets: Checks) -> None:
    pets.write("infra.toml", STACK + STACK.replace("api.pets", "api.same").replace("today", "openapi"))

    said = pets("--format=json")

    assert said.code == 1
    assert said.json["verdict"] == "breaking"
    assert {api["name"]: api["verdict"] for api in said.json["apis"]} == {
        "pets": "breaking",
        "same": "compatible",
    }
    assert pets("--api", "same").code == 0


def test_every_failed_comparison_is_reported_and_exits_with_2(pets: Checks) -> None:
    more = STACK.replace("api.pets", "api.lost").replace("today", "gone")
    more += STACK.replace("api.pets", "api.empty").replace("today", "empty")
    pets.write("infra.toml", STACK + more)
    pets.write("empty.yaml", "")

    said = pets()

    assert (said.code, said.out) == (2, "")
    assert "gone.yaml: the file does not exist" in said.err
    assert "empty.yaml: the file is empty" in said.err


@pytest.mark.parametrize(
    ("stack", "reason"),
    [
        ("", "infra.toml: no API is declared"),
        ("api = 3\n", "infra.toml:1: `api` should contain a table for each API"),
        ("[api]\npets = 3\n", "infra.toml:1: `api` should contain a table for each API"),
        ('[api.pets]\nsource = "a"\n', "infra.toml:1: api.pets.snapshot: is missing"),
        (STACK + "colour = 1\n", "infra.toml:4: api.pets.colour: unknown key 'colour'"),
        (STACK + 'preset = "nice"\n', "nice"),
        (STACK + '[api.pets.rules]\nno-such-rule = "info"\n', "no-such-rule"),
        (STACK + '[api.pets.rules]\noperation-removed = "fatal"\n', "infra.toml:5: api.pets.rules"),
        ("[api.pets\n", "the file is not TOML"),
    ],
)
def test_an_invalid_stack_file_exits_with_2_and_prints_the_line(
    pets: Checks, stack: str, reason: str
) -> None:
    pets.write("infra.toml", stack)

    said = pets()

    assert said.code == 2
    assert reason in said.err
    assert "This is a bug" not in said.err


def test_an_undeclared_api_is_an_error(pets: Checks) -> None:
    said = pets("--api", "pet")

    assert said.code == 2
    assert "did you mean 'pets'?" in said.err


def test_the_stack_file_can_set_the_level_of_a_rule(pets: Checks) -> None:
    pets.write("infra.toml", STACK + f'[api.pets.rules]\n{RULE} = "info"\n')

    assert pets().code == 0
    assert pets("--rule", f"{RULE}=breaking").code == 1


def test_a_declared_api_does_not_change_the_plan_of_the_stack(pets: Checks) -> None:
    """The table of an API has no effect on the plan and its checks."""
    from infra_runtime.config.resolve import resolve

    pets.write("infra.toml", "use = []\n" + STACK)

    assert resolve(directory=pets.root).plan.services == ()


@pytest.mark.process
def test_a_snapshot_can_be_a_file_in_a_git_revision(pets: Checks) -> None:
    pets.commit()
    pets.write("infra.toml", STACK.replace('"openapi.yaml"', '"main:openapi.yaml"'))
    pets.write("openapi.yaml", BROKEN)

    said = pets()

    assert said.code == 1
    assert "pets: main:openapi.yaml → today.yaml" in said.out
    assert pets("--update").code == 2


# --- accepting -------------------------------------------------------------------------------------


def test_an_accepted_finding_no_longer_counts_and_stays_visible(pets: Checks) -> None:
    said = pets("--accept", fingerprint(pets)[:6], "--reason", "no client reads it", "--owner", "ann")

    assert said.code == 0
    assert f"({RULE}) is accepted in openapi.accepted.yaml" in said.out
    after = pets()
    assert after.code == 0
    assert "1 accepted" in after.out
    accepted = pets("--format=json").json["accepted"]
    assert accepted["count"] == 1
    assert accepted["findings"][0]["rule"] == RULE
    assert accepted["findings"][0]["acceptance"]["reason"] == "no client reads it"


@pytest.mark.process
def test_a_finding_counts_again_after_the_last_day_of_its_acceptance(pets: Checks) -> None:
    assert pets("--accept", fingerprint(pets), "--reason", "soon", "--until", "9999-12-31").code == 0
    assert pets().code == 0

    file = pets.root / "openapi.accepted.yaml"
    file.write_text(file.read_text().replace("9999-12-31", "2020-01-01"))
    said = pets()

    assert said.code == 1
    assert "openapi.accepted.yaml:2: the acceptance expired on 2020-01-01" in said.out


@pytest.mark.process
def test_an_entry_without_a_finding_is_reported(pets: Checks) -> None:
    pets("--accept", fingerprint(pets), "--reason", "once")
    pets.write("today.yaml", PETS)

    said = pets()

    assert said.code == 0
    assert "openapi.accepted.yaml:2: no finding matches this entry" in said.out


@pytest.mark.process
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--accept", "abcd"], "--reason"),
        (["--accept", "abcd", "--reason", " "], "--reason"),
        (["--accept", "nothing", "--reason", "x"], "no finding has the fingerprint 'nothing'"),
        (["--accept", "", "--reason", "x"], "no finding has the fingerprint ''"),
        (["--reason", "x"], "--reason can only be used with --accept"),
        (["--until", "2030-01-01"], "--until can only be used with --accept"),
        (["--accept", "abcd", "--reason", "x", "--update"], "cannot be combined with --accept"),
        (["--accepted", "typo.yaml"], "typo.yaml: the file of accepted findings does not exist"),
    ],
)
def test_an_invalid_acceptance_exits_with_2_and_writes_no_file(
    pets: Checks, arguments: list[str], reason: str
) -> None:
    said = pets(*arguments)

    assert said.code == 2
    assert reason in said.err
    assert not (pets.root / "openapi.accepted.yaml").exists()


@pytest.mark.process
def test_the_default_owner_is_the_git_user(pets: Checks) -> None:
    pets.commit()
    pets.git("config", "user.email", "ann@example.org")

    pets("--accept", fingerprint(pets), "--reason", "x")

    assert 'owner: "ann@example.org"' in (pets.root / "openapi.accepted.yaml").read_text()


@pytest.mark.process
def test_the_stack_file_can_set_the_file_of_accepted_findings(pets: Checks) -> None:
    pets.write("infra.toml", STACK + 'accepted = "api/taken.yaml"\n')

    pets("--accept", fingerprint(pets), "--reason", "x")

    assert (pets.root / "api" / "taken.yaml").exists()
    assert pets().code == 0


@pytest.mark.process
def test_accepted_findings_of_two_documents_are_beside_the_first_file(check: Checks) -> None:
    check.pair()
    findings = check("base.yaml", "revision.yaml", "--format=json").json["findings"]

    check("base.yaml", "revision.yaml", "--accept", findings[0]["fingerprint"], "--reason", "x")

    assert check("base.yaml", "revision.yaml").code == 0
    assert (check.root / "base.accepted.yaml").exists()


@pytest.mark.process
def test_accepted_findings_of_a_git_revision_are_in_the_working_tree(check: Checks) -> None:
    check.write("openapi.yaml", PETS)
    check.commit()
    check.write("openapi.yaml", BROKEN)
    findings = check("main:openapi.yaml", "openapi.yaml", "--format=json").json["findings"]

    check("main:openapi.yaml", "openapi.yaml", "--accept", findings[0]["fingerprint"], "--reason", "x")

    assert check("main:openapi.yaml", "openapi.yaml").code == 0
    assert (check.root / "openapi.accepted.yaml").exists()


# --- updating --------------------------------------------------------------------------------------


def test_update_prints_the_changes_and_writes_the_snapshot(pets: Checks) -> None:
    said = pets("--update")

    assert said.code == 0
    assert RULE in said.out
    assert "openapi.yaml was written" in said.err
    again = pets()
    assert again.code == 0
    assert "0 breaking, 0 warning, 0 info" in again.out


def test_a_second_update_changes_no_byte(pets: Checks) -> None:
    pets("--update")
    first = (pets.root / "openapi.yaml").read_bytes()

    said = pets("--update")

    assert "is up to date" in said.err
    assert (pets.root / "openapi.yaml").read_bytes() == first


@pytest.mark.parametrize("old", [None, "", "{"])
def test_update_replaces_a_missing_or_invalid_snapshot(pets: Checks, old: str | None) -> None:
    (pets.root / "openapi.yaml").unlink()
    if old is not None:
        pets.write("openapi.yaml", old)
    assert pets().code == 2

    assert pets("--update").code == 0

    assert pets().code == 0


def test_update_keeps_the_snapshot_if_the_source_cannot_be_read(pets: Checks) -> None:
    pets.write("today.yaml", "")

    assert pets("--update").code == 2
    assert (pets.root / "openapi.yaml").read_text() == PETS


def test_update_replaces_the_base_of_the_command_line(check: Checks) -> None:
    check.pair(revision=GROWN)

    assert check("base.yaml", "revision.yaml", "--update").code == 0
    assert check("revision.yaml", "base.yaml", "--format=json").json["findings"] == []


# --- api-snapshot ----------------------------------------------------------------------------------


@pytest.mark.process
def test_the_snapshot_of_an_app_is_its_document_with_sorted_keys(check: Checks) -> None:
    check.write(
        "shop.py", "app = {'paths': {'/b': {}, '/a': {}}, 'info': {'version': '1'}, 'openapi': '3.1.0'}"
    )

    said = check.snapshot("shop:app")

    assert said.code == 0
    assert list(said.json) == ["openapi", "info", "paths"]
    assert list(said.json["paths"]) == ["/a", "/b"]
    assert said.out.endswith("}\n")


def test_the_suffix_of_a_snapshot_selects_json_or_yaml(check: Checks) -> None:
    check.write("base.yaml", PETS)

    assert check.snapshot("base.yaml", "api/openapi.json").code == 0
    assert check.snapshot("base.yaml", "api/openapi.yml").code == 0

    assert json.loads((check.root / "api/openapi.json").read_text())["openapi"] == "3.0.3"
    assert (check.root / "api/openapi.yml").read_text().startswith("openapi: '3.0.3'\n")
    assert check("api/openapi.json", "api/openapi.yml").code == 0


def test_declared_snapshots_are_written(pets: Checks) -> None:
    said = pets.snapshot()

    assert said.code == 0
    assert "openapi.yaml was written" in said.err
    assert pets().code == 0


def test_a_snapshot_of_several_files_is_an_error(check: Checks) -> None:
    check.write("openapi.yaml", "openapi: 3.1.0\npaths: {/x: {$ref: 'x.yaml'}}\n")
    check.write("x.yaml", "get: {responses: {'200': {description: x}}}\n")

    said = check.snapshot("openapi.yaml", "out.json")

    assert said.code == 2
    assert "refers to other files" in said.err
    assert not (check.root / "out.json").exists()


def test_a_snapshot_without_a_source_is_an_error(check: Checks) -> None:
    assert check.snapshot("gone.yaml", "out.json").code == 2
    assert check.snapshot().code == 2
    assert not (check.root / "out.json").exists()


# --- a service of the running stack ----------------------------------------------------------------

SERVICES = """\
use = ["web"]

[services.web]
command = ["${bin.python}", "-m", "http.server", "${port.http}", "--bind", "${host}"]
ports = { http = 18450 }
exports = { url = "http://${host}:${port.http}" }

[services.mute]
command = ["${bin.python}", "-m", "http.server", "${port.http}", "--bind", "${host}"]
ports = { http = 18451 }
exports = { url = "tcp://${host}:${port.http}" }

[api.pets]
snapshot = "openapi.yaml"
source = "service:web/today.yaml"
"""


def test_the_document_of_a_running_service_is_compared(infra: CommandLine) -> None:
    pytest.importorskip("httpx")
    infra.write(SERVICES)
    infra.write(PETS, "openapi.yaml")
    infra.write(BROKEN, "today.yaml")
    assert infra("runtime", "up", "--detach").code == 0

    broken = infra("dev", "api-check")
    infra.write(PETS, "today.yaml")
    result = infra("dev", "api-check")
    unknown = infra("dev", "api-check", "openapi.yaml", "service:wbe/today.yaml")
    missing = infra("dev", "api-check", "openapi.yaml", "service:web/gone.yaml")

    assert broken.code == 1
    assert "pets: openapi.yaml → service:web/today.yaml" in broken.out
    assert (result.code, unknown.code, missing.code) == (0, 2, 2)
    assert "the service 'wbe' is not running; running services: web" in unknown.err
    assert "returned 404" in missing.err


def test_a_service_without_an_http_url_is_an_error(infra: CommandLine) -> None:
    infra.write(SERVICES.replace('use = ["web"]', 'use = ["mute"]'))
    infra.write(PETS, "openapi.yaml")
    assert infra("runtime", "up", "--detach").code == 0

    said = infra("dev", "api-check", "openapi.yaml", "service:mute/today.yaml")

    assert said.code == 2
    assert "the service mute has no HTTP URL" in said.err
