"""Java programs of Maven repositories are downloaded by Maven, and run with Java."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from infra_runtime.binaries import installation
from infra_runtime.binaries.installation import install
from infra_runtime.binaries.platforms import current
from infra_runtime.binaries.recipe import Maven, Recipe
from infra_runtime.binaries.sources import maven
from infra_runtime.binaries.store import Store
from infra_runtime.errors import InstallError

RECIPE = Recipe(
    name="jansi",
    programs={"jansi": "org.fusesource.jansi.AnsiMain"},
    sources=(Maven(artefacts=("org.fusesource.jansi:jansi:2.4.1",), java=11),),
    licence="Apache-2.0",
    is_users=True,
)


@pytest.mark.real("mvn", "java")
def test_a_java_program_is_locked_installed_and_run(tmp_path: Path) -> None:
    entry = installation.lock(RECIPE, current())
    (installed,) = install([(RECIPE, entry)], Store(tmp_path / "with space"))
    printed = subprocess.check_output([installed.program("jansi")], text=True)

    (jar,) = entry.artefacts
    assert (jar.name, jar.version, entry.version) == ("org.fusesource.jansi:jansi", "2.4.1", "2.4.1")
    assert jar.path == "org/fusesource/jansi/jansi/2.4.1/jansi-2.4.1.jar"
    assert "Jansi 2.4.1" in printed


@pytest.mark.real("java")
def test_java_that_is_too_old_or_missing_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InstallError, match=r"Java 999 or later is required: .*java is version \d+"):
        maven.java_program("tool", 999, None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InstallError, match="no `java` was found"):
        maven.java_program("tool", 17, None)


def test_a_missing_maven_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(InstallError, match="mvn is missing"):
        installation.lock(RECIPE, current())


@pytest.mark.process
def test_the_java_of_the_store_is_preferred(tmp_path: Path) -> None:
    installed = tmp_path / "java"
    installed.write_text('#!/bin/sh\necho "openjdk 25.0.2 2026-01-20"\n')
    installed.chmod(0o755)

    assert maven.java_program("tool", 17, installed) == installed


def test_locked_jars_are_downloaded_without_their_dependencies() -> None:
    coordinates = [("org.acme", "tool", "1.0")]

    assert "<exclusion>" not in maven._project(coordinates, transitive=True)
    assert "<exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion>" in maven._project(
        coordinates, transitive=False
    )
