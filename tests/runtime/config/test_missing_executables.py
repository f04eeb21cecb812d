"""The executables that a stack uses, and the recipes that install them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.project import Project
from infra_runtime.binaries import recipes
from infra_runtime.config import missing_executables
from infra_runtime.errors import BinaryMissingError


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH, which is empty, on a machine with an empty store."""
    monkeypatch.setenv("PATH", str(tmp_path / "postgresql" / "16" / "bin"))
    monkeypatch.setenv("INFRA_BINARIES", str(tmp_path / "binaries"))
    return tmp_path / "postgresql" / "16" / "bin"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("", "postgres"),
        ("version = 15", "postgres-15"),
        ('version = 15\nextensions = ["pgcrypto", "uuid-ossp"]', "postgres-15"),
        ('version = 15\nextensions = ["postgis", "pgcrypto"]', "postgres-15-postgis"),
        ('version = "15"\nextensions = "postgis, pgcrypto"', "postgres-15-postgis"),
        ("version = 16", "postgres-16"),
        ("version = 17", "postgres-17"),
        ('version = 17\nextensions = ["vector", "uuid-ossp"]', "postgres-17-postgis"),
        ("version = 19", None),
        ('version = 15\nbinary = "tools/postgres"', None),
    ],
)
def test_the_recipe_has_the_version_and_the_extensions_of_the_table(
    project: Project, settings: str, expected: str | None
) -> None:
    project.write(f'use = ["postgres"]\n[services.postgres]\n{settings}\n')

    used = missing_executables.used(project.resolve())

    names = [recipe.name for recipe in missing_executables.providing(used, recipes.kit().values())]
    assert names == [expected] * (expected is not None)


def test_an_instance_has_the_executable_of_its_version(project: Project, elsewhere: Path) -> None:
    elsewhere.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (elsewhere / name).write_text("#!/bin/sh\n")
        (elsewhere / name).chmod(0o755)
    project.write('use = ["older"]\n[services.older]\nkind = "postgres"\nversion = 16\n')

    resolved = project.resolve(executables=True)

    assert resolved.binaries["postgres@older"] == str(elsewhere / "postgres")
    assert resolved.binaries["initdb@older"] == str(elsewhere / "initdb")
    assert resolved.plan.services[0].command[0] == "${bin.postgres@older}"
    assert project.resolve(executables=True) == resolved


def test_a_version_without_a_recipe_names_the_versions_that_can_be_installed(
    project: Project, elsewhere: Path
) -> None:
    project.write('use = ["postgres"]\n[services.postgres]\nversion = 19\n')

    with pytest.raises(BinaryMissingError, match="postgres: version 19 was not found") as caught:
        project.resolve(executables=True)

    assert caught.value.hint.endswith("`infra bin install` can install these versions: 15, 16, 17, 18.")


def test_a_missing_version_names_the_users_recipe_that_installs_it(project: Project, elsewhere: Path) -> None:
    project.write(
        """
        use = ["postgres"]
        [services.postgres]
        version = 17
        [binaries.postgres-17]
        programs = { postgres = "bin/postgres", initdb = "bin/initdb" }
        licence = "PostgreSQL"
        major = 17
        debian = ["postgresql-17"]
        """
    )

    with pytest.raises(BinaryMissingError, match="postgres: version 17 was not found") as caught:
        project.resolve(executables=True)

    assert "or run `infra bin install postgres-17`." in caught.value.hint
    assert "/usr/lib/postgresql/17/bin" in caught.value.hint
    assert "postgres on PATH" in caught.value.searched
