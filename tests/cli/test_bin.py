"""`infra bin`: the output and the exit codes of its commands, with archives from a local server."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.artefacts import Files, serving, tar
from fakes.command_line import CommandLine
from fakes.stacks import until
from infra_runtime.binaries.platforms import current

pytestmark = pytest.mark.process
SERVER = b"#!/bin/sh\necho started $*\nexec sleep 600\n"
CONTENT = tar({"tool-1.0/bin/tool": SERVER, "tool-1.0/LICENSE": b"the licence"})


@pytest.fixture
def files() -> Iterator[Files]:
    with serving() as served:
        yield served


@pytest.fixture
def project(infra: CommandLine, files: Files, tmp_path: Path) -> CommandLine:
    """A project with a recipe for a program, a service that uses the program, and an empty store."""
    infra.environ["INFRA_BINARIES"] = str(tmp_path / "binaries")
    declare(infra, files, CONTENT, "1.0")
    return infra


def declare(line: CommandLine, files: Files, content: bytes, version: str) -> None:
    digest = hashlib.sha256(content).hexdigest()
    archive = f'{{ url = "{files.add(f"tool-{version}.tgz", content)}", sha256 = "{digest}" }}'
    line.write(
        f"""
        use = ["app"]
        [services.app]
        command = ["${{bin.tool}}", "now"]
        [binaries.tool]
        programs = ["tool"]
        licence = "MIT"
        version = "{version}"
        archive.{current()} = {archive}
        """
    )


def recipe(line: CommandLine) -> dict[str, Any]:
    """Return what `infra bin list --json` prints about the recipe of the project."""
    recipes = line("bin", "list", "--json").json["recipes"]
    return next(recipe for recipe in recipes if recipe["name"] == "tool")


def test_lock_install_which_verify_and_remove(project: CommandLine) -> None:
    locked = project("bin", "lock")
    installed = project("bin", "install", "tool")
    again = project("bin", "install", "tool", "--json").json["installed"]
    which = project("bin", "which", "tool")

    assert locked.out.splitlines() == [f"tool 1.0 ({current()}): 1 change", "  tool absent → 1.0"]
    assert installed.out.startswith("installed  tool 1.0  ")
    assert which.out.strip() == again[0]["programs"]["tool"]
    assert os.access(which.out.strip(), os.X_OK)
    assert project("bin", "verify").out.startswith("ok       tool 1.0")
    assert project("bin", "licences").out == "tool 1.0  MIT  (1 text)\n"
    assert recipe(project)["installed"][0]["version"] == "1.0"
    assert "\ntool " in project("bin", "list").out
    assert project("bin", "remove", "tool").out.startswith("removed  tool 1.0")
    assert project("bin", "which", "tool").code == 5


def test_which_as_json_describes_the_start(project: CommandLine) -> None:
    project("bin", "lock")
    project("bin", "install")

    document = project("bin", "which", "tool", "--json").json

    assert document["argv"] == [document["path"]]
    assert document["method"] == "direct"
    assert document["path"].startswith(f"{document['root']}/")
    for name in ("", "../tool", "/bin/sh"):
        answer = project("bin", "which", name)
        assert (answer.code, answer.err.splitlines()[0]) == (
            2,
            f"infra: error: {name!r} cannot be the name of a program",
        )


def test_a_recipe_without_a_lock_is_an_error_that_names_the_command(project: CommandLine) -> None:
    answer = project("bin", "install", "tool")

    assert answer.code == 14
    assert "infra: error: tool: no lock contains the recipe" in answer.err
    assert "hint: Run `infra bin lock tool`." in answer.err


def test_a_changed_archive_has_its_own_exit_code(project: CommandLine, files: Files) -> None:
    project("bin", "lock")
    files.contents["tool-1.0.tgz"] = CONTENT[:-1] + b"x"

    answer = project("bin", "install", "tool")

    assert answer.code == 15
    assert "SHA-256" in answer.err


def test_a_changed_file_is_found_and_has_an_exit_code(project: CommandLine) -> None:
    project("bin", "lock")
    project("bin", "install")
    Path(project("bin", "which", "tool").out.strip()).write_text("#!/bin/sh\n")

    answer = project("bin", "verify")

    assert answer.code == 15
    assert "         root/tool-1.0/bin/tool" in answer.out
    assert "`infra bin remove tool` and `infra bin install tool`" in answer.err


def test_installed_recipes_of_another_project_are_verified_by_name(
    project: CommandLine, tmp_path: Path
) -> None:
    """The stack file of the other project has no such recipe."""
    assert project("bin", "verify").out == f"{tmp_path / 'binaries'}: no executable is installed\n"
    assert project("bin", "licences").out == f"{tmp_path / 'binaries'}: no executable is installed\n"
    project("bin", "lock")
    project("bin", "install")
    project.write('use = ["mail"]\n')

    assert project("bin", "verify", "tool").out.startswith("ok       tool 1.0")
    assert project("bin", "licences", "tool").out == "tool 1.0  MIT  (1 text)\n"
    for command in ("verify", "licences", "remove"):
        answer = project("bin", command, "memcached")
        assert (answer.code, answer.err.splitlines()[0]) == (2, "infra: error: not installed: memcached")


def test_outdated_prints_the_difference_to_the_lock(project: CommandLine, files: Files) -> None:
    project("bin", "lock")
    assert project("bin", "outdated", "tool").out == "up to date: 1 recipe\n"

    declare(project, files, tar({"bin/tool": SERVER}), "2.0")
    answer = project("bin", "outdated", "tool")

    assert answer.out.split() == ["NAME", "LOCKED", "NEWEST", "CHANGED", "tool", "1.0", "2.0", "1", "file"]
    assert project("bin", "lock").out.splitlines()[1] == "  tool 1.0 → 2.0"
    project("bin", "install", "tool")
    assert recipe(project)["version"] == "2.0"


def test_a_bundle_installs_what_the_stack_needs_without_network(
    project: CommandLine, files: Files, tmp_path: Path
) -> None:
    project("bin", "lock")
    written = project("bin", "bundle", "servers.bundle")
    files.contents.clear()
    project.environ["INFRA_BINARIES"] = str(tmp_path / "another machine")

    offline = project("bin", "install", "--offline")
    installed = project("bin", "install", "--from", "servers.bundle")

    assert written.out.splitlines()[0].startswith("added  tool 1.0")
    assert offline.code == 14
    assert installed.out.startswith("installed  tool 1.0  ")


def test_a_bundle_for_a_stack_contains_what_its_programs_need(
    project: CommandLine, files: Files, tmp_path: Path
) -> None:
    """The bundle for programs of Maven contains Java, also if the stack determines the programs."""
    java = tar({"bin/java": b"#!/bin/sh\necho 21\n"})
    archive = f'{{ url = "{files.add("jdk", java)}", sha256 = "{hashlib.sha256(java).hexdigest()}" }}'
    project.write(
        f"""
        use = ["app"]
        [services.app]
        command = ["${{bin.broker}}"]
        [binaries.broker]
        programs = {{ broker = "Main" }}
        licence = "MIT"
        maven = ["acme:broker:1.0"]
        [binaries.zulu]
        programs = ["java"]
        licence = "MIT"
        archive.{current()} = {archive}
        """
    )
    project("bin", "lock", "zulu")
    entry = {"source": "maven", "version": "1.0", "licence": "MIT", "artefacts": []}
    lock = project.root / "infra.lock"
    data = json.loads(lock.read_text())
    data["recipes"]["broker"] = {current(): entry}
    lock.write_text(json.dumps(data))
    written = project("bin", "bundle", "servers.bundle")
    files.contents.clear()

    assert written.code == 0, written.err
    assert [line.split()[1] for line in written.out.splitlines()[:2]] == ["zulu", "broker"]
    installed = project("bin", "install", "--from", "servers.bundle")
    assert installed.code == 0, installed.err
    assert project("bin", "which", "broker").code == 0


def test_remove_refuses_unknown_names_and_needs_an_argument(project: CommandLine) -> None:
    assert project("bin", "remove", "tool").code == 2
    assert project("bin", "remove").code == 2
    assert "did you mean 'tool'" in project("bin", "install", "tol").err


def test_old_versions_are_removed(project: CommandLine, files: Files) -> None:
    project("bin", "lock")
    project("bin", "install")
    declare(project, files, tar({"bin/tool": SERVER}), "2.0")
    project("bin", "lock")
    project("bin", "install")

    (project.root / "infra.lock").rename(project.root / "kept.lock")
    # Of another project.
    assert project("bin", "remove", "--old").out == "executables: 0 removed, 0 B freed\n"
    (project.root / "kept.lock").rename(project.root / "infra.lock")

    answer = project("bin", "remove", "--old")

    assert answer.out.split()[:3] == ["removed", "tool", "1.0"]
    (removed,) = project("bin", "remove", "tool", "--json").json["removed"]
    assert removed["version"] == "2.0"


def test_downloads_are_removed_only_on_request(project: CommandLine, tmp_path: Path) -> None:
    downloads = tmp_path / "binaries" / "downloads"
    project("bin", "lock")
    project("bin", "install")
    downloads.mkdir(exist_ok=True)
    (downloads / "tool.part").touch()

    assert project("bin", "remove", "tool").code == 0
    assert downloads.exists()
    assert project("bin", "remove", "--downloads").code == 0
    assert not downloads.exists()


def test_up_does_not_install_without_permission(project: CommandLine, files: Files) -> None:
    project("bin", "lock")
    files.requests.clear()

    answer = project("runtime", "up", "--detach")

    assert answer.code == 5
    assert "--install" in answer.err
    assert "INFRA_INSTALL=1" in answer.err
    assert files.requests == []


@pytest.mark.parametrize("permission", ["--install", "INFRA_INSTALL"])
def test_up_installs_missing_programs_with_permission(project: CommandLine, permission: str) -> None:
    project("bin", "lock")
    options, environ = (["--install"], {}) if permission == "--install" else ([], {"INFRA_INSTALL": "1"})

    answer = project("runtime", "up", "--detach", *options, environ=environ)

    assert answer.code == 0
    assert "MIT, archive" in answer.err
    until(lambda: "started now" in project("runtime", "logs").out)


@pytest.mark.parametrize(("reply", "code"), [("y\n", 0), ("n\n", 5)])
def test_up_asks_once_in_a_terminal(project: CommandLine, reply: str, code: int) -> None:
    project("bin", "lock")

    exit_code, screen = project.in_terminal(
        "runtime", "up", "--detach", type_after={"without root?": reply}, CI=""
    )

    assert "tool 1.0: 0.0 MB, MIT, archive" in screen
    assert exit_code == code
    assert screen.count("without root?") == 1


def test_up_in_ci_does_not_ask(project: CommandLine) -> None:
    project("bin", "lock")

    exit_code, screen = project.in_terminal("runtime", "up", "--detach", type_after={}, CI="true")

    assert exit_code == 5
    assert "without root?" not in screen
