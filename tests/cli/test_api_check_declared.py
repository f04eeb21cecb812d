"""`infra dev api-check` of the APIs in the stack file: check, accept, update."""

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
    findings = check("--format=json").json["apis"]["pets"]["findings"]
    return next(str(it["fingerprint"]) for it in findings if it["level"] == "breaking")


def test_without_arguments_the_declared_apis_are_checked(pets: Checks) -> None:
    said = pets()

    assert said.code == 1
    assert "pets: openapi.yaml → today.yaml" in said.out


def test_from_a_folder_below_paths_are_those_of_the_stack_file(
    pets: Checks, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = pets.root / "docs"
    below.mkdir()
    monkeypatch.chdir(below)

    said = pets()

    assert said.code == 1
    assert "pets: ../openapi.yaml → ../today.yaml" in said.out


def test_from_elsewhere_it_takes_a_directory(pets: Checks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")

    assert pets("-C", str(pets.root)).code == 1


def test_in_pyproject_it_is_the_same(pets: Checks) -> None:
    (pets.root / "infra.toml").unlink()
    pets.write("pyproject.toml", STACK.replace("[api.", "[tool.infra.api."))

    assert pets().code == 1


def test_the_worst_of_several_apis_counts(pets: Checks) -> None:
    pets.write("infra.toml", STACK + STACK.replace("api.pets", "api.same").replace("today", "openapi"))

    said = pets("--format=json")

    assert said.code == 1
    assert said.json["verdict"] == "breaking"
    assert {name: api["verdict"] for name, api in said.json["apis"].items()} == {
        "pets": "breaking",
        "same": "compatible",
    }
    assert pets("--api", "same").code == 0


def test_one_that_cannot_be_compared_hides_no_other_failure_and_is_no_verdict(pets: Checks) -> None:
    more = STACK.replace("api.pets", "api.lost").replace("today", "gone")
    more += STACK.replace("api.pets", "api.empty").replace("today", "empty")
    pets.write("infra.toml", STACK + more)
    pets.write("empty.yaml", "")

    said = pets()

    assert (said.code, said.out) == (2, "")
    assert "gone.yaml: does not exist" in said.err
    assert "empty.yaml: is empty" in said.err


@pytest.mark.parametrize(
    ("stack", "reason"),
    [
        ("", "infra.toml: no API is declared"),
        ("api = 3\n", "infra.toml:1: `api` holds a table for each API"),
        ("[api]\npets = 3\n", "infra.toml:1: `api` holds a table for each API"),
        ('[api.pets]\nsource = "a"\n', "infra.toml:1: api.pets.snapshot: is missing"),
        (STACK + "colour = 1\n", "infra.toml:4: api.pets.colour: unknown key 'colour'"),
        (STACK + 'preset = "nice"\n', "nice"),
        (STACK + '[api.pets.rules]\nno-such-rule = "info"\n', "no-such-rule"),
        (STACK + '[api.pets.rules]\noperation-removed = "fatal"\n', "infra.toml:5: api.pets.rules"),
        ("[api.pets\n", "this is not TOML"),
    ],
)
def test_what_makes_no_sense_ends_with_2_and_tells_the_line(pets: Checks, stack: str, reason: str) -> None:
    pets.write("infra.toml", stack)

    said = pets()

    assert said.code == 2
    assert reason in said.err
    assert "mistake of ours" not in said.err


def test_an_api_that_is_not_declared_is_told(pets: Checks) -> None:
    said = pets("--api", "pet")

    assert said.code == 2
    assert "did you mean 'pets'?" in said.err


def test_the_stack_file_may_judge_rules(pets: Checks) -> None:
    pets.write("infra.toml", STACK + f'[api.pets.rules]\n{RULE} = "info"\n')

    assert pets().code == 0
    assert pets("--rule", f"{RULE}=breaking").code == 1


def test_an_api_is_no_setting_of_the_stack(pets: Checks) -> None:
    """The table stands in the stack file, and neither the plan nor its checks mind."""
    from infra_runtime.config.resolve import resolve

    pets.write("infra.toml", "use = []\n" + STACK)

    assert resolve(directory=pets.root).plan.services == ()


@pytest.mark.process
def test_a_snapshot_may_be_a_git_revision(pets: Checks) -> None:
    pets.commit()
    pets.write("infra.toml", STACK.replace('"openapi.yaml"', '"main:openapi.yaml"'))
    pets.write("openapi.yaml", BROKEN)

    said = pets()

    assert said.code == 1
    assert "pets: main:openapi.yaml → today.yaml" in said.out
    assert pets("--update").code == 2


# --- accepting -------------------------------------------------------------------------------------


def test_an_accepted_finding_counts_no_more_and_stays_visible(pets: Checks) -> None:
    said = pets("--accept", fingerprint(pets)[:6], "--reason", "nobody reads it", "--owner", "ann")

    assert said.code == 0
    assert f"({RULE}) is accepted in openapi.accepted.yaml" in said.out
    after = pets()
    assert after.code == 0
    assert "1 accepted" in after.out
    accepted = pets("--format=json").json["apis"]["pets"]["accepted"]
    assert accepted["count"] == 1
    assert accepted["findings"][0]["rule"] == RULE
    assert accepted["findings"][0]["acceptance"]["reason"] == "nobody reads it"


@pytest.mark.process
def test_on_the_last_day_it_is_accepted_and_then_it_counts_again(pets: Checks) -> None:
    assert pets("--accept", fingerprint(pets), "--reason", "soon", "--until", "9999-12-31").code == 0
    assert pets().code == 0

    file = pets.root / "openapi.accepted.yaml"
    file.write_text(file.read_text().replace("9999-12-31", "2020-01-01"))
    said = pets()

    assert said.code == 1
    assert "openapi.accepted.yaml:2: accepted until 2020-01-01, counts again" in said.out


@pytest.mark.process
def test_an_entry_for_nothing_is_reported(pets: Checks) -> None:
    pets("--accept", fingerprint(pets), "--reason", "once")
    pets.write("today.yaml", PETS)

    said = pets()

    assert said.code == 0
    assert "openapi.accepted.yaml:2: nothing was found for this entry" in said.out


@pytest.mark.process
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--accept", "abcd"], "--reason"),
        (["--accept", "abcd", "--reason", " "], "--reason"),
        (["--accept", "nothing", "--reason", "x"], "no finding has the fingerprint 'nothing'"),
        (["--accept", "", "--reason", "x"], "no finding has the fingerprint ''"),
        (["--reason", "x"], "--reason belongs to --accept"),
        (["--until", "2030-01-01"], "--until belongs to --accept"),
        (["--accept", "abcd", "--reason", "x", "--update"], "nothing to --accept"),
        (["--accepted", "typo.yaml"], "typo.yaml: does not exist"),
    ],
)
def test_nothing_is_accepted_without_a_reason_or_by_mistake(
    pets: Checks, arguments: list[str], reason: str
) -> None:
    said = pets(*arguments)

    assert said.code == 2
    assert reason in said.err
    assert not (pets.root / "openapi.accepted.yaml").exists()


@pytest.mark.process
def test_who_accepts_is_known_from_git(pets: Checks) -> None:
    pets.commit()
    pets.git("config", "user.email", "ann@example.org")

    pets("--accept", fingerprint(pets), "--reason", "x")

    assert 'owner: "ann@example.org"' in (pets.root / "openapi.accepted.yaml").read_text()


@pytest.mark.process
def test_the_stack_file_names_another_file(pets: Checks) -> None:
    pets.write("infra.toml", STACK + 'accepted = "api/taken.yaml"\n')

    pets("--accept", fingerprint(pets), "--reason", "x")

    assert (pets.root / "api" / "taken.yaml").exists()
    assert pets().code == 0


@pytest.mark.process
def test_two_given_documents_have_theirs_beside_the_first_file(check: Checks) -> None:
    check.pair()
    findings = check("base.yaml", "revision.yaml", "--format=json").json["findings"]

    check("base.yaml", "revision.yaml", "--accept", findings[0]["fingerprint"], "--reason", "x")

    assert check("base.yaml", "revision.yaml").code == 0
    assert (check.root / "base.accepted.yaml").exists()


@pytest.mark.process
def test_an_old_revision_has_them_in_the_working_tree(check: Checks) -> None:
    check.write("openapi.yaml", PETS)
    check.commit()
    check.write("openapi.yaml", BROKEN)
    findings = check("main:openapi.yaml", "openapi.yaml", "--format=json").json["findings"]

    check("main:openapi.yaml", "openapi.yaml", "--accept", findings[0]["fingerprint"], "--reason", "x")

    assert check("main:openapi.yaml", "openapi.yaml").code == 0
    assert (check.root / "openapi.accepted.yaml").exists()


# --- updating --------------------------------------------------------------------------------------


def test_update_shows_what_changes_and_writes_it(pets: Checks) -> None:
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
def test_a_snapshot_that_is_missing_or_broken_is_made_anew(pets: Checks, old: str | None) -> None:
    (pets.root / "openapi.yaml").unlink()
    if old is not None:
        pets.write("openapi.yaml", old)
    assert pets().code == 2

    assert pets("--update").code == 0

    assert pets().code == 0


def test_an_api_that_cannot_be_read_leaves_its_snapshot_alone(pets: Checks) -> None:
    pets.write("today.yaml", "")

    assert pets("--update").code == 2
    assert (pets.root / "openapi.yaml").read_text() == PETS


def test_a_given_file_is_updated_as_well(check: Checks) -> None:
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


def test_the_file_says_whether_it_is_json_or_yaml(check: Checks) -> None:
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


def test_an_api_in_several_files_has_no_snapshot(check: Checks) -> None:
    check.write("openapi.yaml", "openapi: 3.1.0\npaths: {/x: {$ref: 'x.yaml'}}\n")
    check.write("x.yaml", "get: {responses: {'200': {description: x}}}\n")

    said = check.snapshot("openapi.yaml", "out.json")

    assert said.code == 2
    assert "refers to other files" in said.err
    assert not (check.root / "out.json").exists()


def test_a_snapshot_of_nothing_is_told(check: Checks) -> None:
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


def test_a_service_of_the_running_stack_is_asked(infra: CommandLine) -> None:
    pytest.importorskip("httpx")
    infra.write(SERVICES)
    infra.write(PETS, "openapi.yaml")
    infra.write(BROKEN, "today.yaml")
    assert infra("runtime", "up", "--detach").code == 0

    broken = infra("dev", "api-check")
    infra.write(PETS, "today.yaml")
    kept = infra("dev", "api-check")
    unknown = infra("dev", "api-check", "openapi.yaml", "service:wbe/today.yaml")
    missing = infra("dev", "api-check", "openapi.yaml", "service:web/gone.yaml")

    assert broken.code == 1
    assert "pets: openapi.yaml → service:web/today.yaml" in broken.out
    assert (kept.code, unknown.code, missing.code) == (0, 2, 2)
    assert "no service 'wbe' runs here; there are: web" in unknown.err
    assert "answers 404" in missing.err


def test_a_service_that_speaks_no_http_is_told(infra: CommandLine) -> None:
    infra.write(SERVICES.replace('use = ["web"]', 'use = ["mute"]'))
    infra.write(PETS, "openapi.yaml")
    assert infra("runtime", "up", "--detach").code == 0

    said = infra("dev", "api-check", "openapi.yaml", "service:mute/today.yaml")

    assert said.code == 2
    assert "mute is no HTTP service" in said.err
