"""Alembic's configuration: the files that it is read from, and the folders that it names."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra_runtime.errors import ConfigurationError
from pytest_infra.services.postgres.alembic_config import AlembicConfig, find
from pytest_infra.services.postgres.migrations import read

#: the fixture that the errors name
WHERE = "infra_postgres_migrations"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with the folder `scripts`, without a configuration."""
    (tmp_path / "scripts" / "versions").mkdir(parents=True)
    (tmp_path / "scripts" / "env.py").touch()
    return tmp_path


def write(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def found(root: Path, source: str = "alembic.ini") -> AlembicConfig:
    config = find(root / source, root, WHERE)
    assert config is not None
    return config


def key(root: Path, source: str) -> str:
    return read(source, root, WHERE).key


@pytest.mark.parametrize("location", ["scripts", "%(here)s/scripts", "./scripts"])
@pytest.mark.parametrize("source", ["alembic.ini", "."])
def test_an_ini_file_is_found_by_its_path_or_folder(root: Path, location: str, source: str) -> None:
    write(root / "alembic.ini", "[alembic]", f"script_location = {location}")

    config = found(root, source)

    assert (config.ini, config.toml, config.folder) == (root / "alembic.ini", None, root)
    assert config.scripts.resolve() == root / "scripts"
    assert config.versions == (config.scripts / "versions",)


@pytest.mark.parametrize("source", ["pyproject.toml", "."])
def test_the_table_of_a_toml_file_is_found_by_its_path_or_folder(root: Path, source: str) -> None:
    write(root / "pyproject.toml", "[tool.alembic]", 'script_location = "%(here)s/scripts"')

    config = found(root, source)

    assert (config.ini, config.toml) == (None, root / "pyproject.toml")
    assert config.scripts == root / "scripts"


def test_an_ini_file_without_scripts_is_read_together_with_the_table(root: Path) -> None:
    write(root / "alembic.ini", "[loggers]", "keys = root")
    write(root / "pyproject.toml", "[tool.alembic]", 'script_location = "scripts"')

    first, second = found(root), found(root, "pyproject.toml")

    assert (
        (first.ini, first.toml)
        == (second.ini, second.toml)
        == (root / "alembic.ini", root / "pyproject.toml")
    )


def test_a_toml_file_without_the_table_is_an_error(root: Path) -> None:
    write(root / "pyproject.toml", "[tool.pytest.ini_options]")

    with pytest.raises(ConfigurationError, match=r"has no table \[tool.alembic\]"):
        found(root, "pyproject.toml")


@pytest.mark.parametrize("folder", ["backend", "backend/scripts"])
def test_a_configuration_in_a_parent_folder_of_the_scripts_is_found(root: Path, folder: str) -> None:
    write(root / "pyproject.toml", "[tool.alembic]", f'script_location = "{folder}"')
    write(root / folder / "env.py")

    assert found(root, folder).toml == root / "pyproject.toml"


@pytest.mark.parametrize("source", ["alembic.ini", "pyproject.toml"])
def test_a_configuration_in_a_parent_folder_of_the_root_is_found(root: Path, source: str) -> None:
    write(root / "alembic.ini", "[alembic]", "script_location = scripts")
    write(root / "pyproject.toml", "[tool.alembic]", 'script_location = "scripts"')
    (root / "tests").mkdir()

    assert read(source, root / "tests", WHERE).key == key(root, source)


def test_scripts_that_no_configuration_names_are_an_error(root: Path) -> None:
    write(root / "alembic.ini", "[alembic]", "script_location = other")
    (root / "other").mkdir()

    with pytest.raises(ConfigurationError, match="no parent folder has an alembic"):
        found(root, "scripts")


def test_a_relative_location_may_refer_to_the_root_directory(root: Path) -> None:
    write(root / "backend" / "alembic.ini", "[alembic]", "script_location = scripts")

    assert found(root, "backend/alembic.ini").folder == root


@pytest.mark.parametrize(
    "line",
    ["script_location = nowhere", "script_location = no_such_package:scripts"],
    ids=["path", "package"],
)
def test_a_missing_location_is_an_error_with_the_searched_folders(root: Path, line: str) -> None:
    write(root / "alembic.ini", "[alembic]", line)

    with pytest.raises(ConfigurationError, match="is missing") as caught:
        found(root)

    assert str(root) in caught.value.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[alembic]\nprepend_sys_path = .", "`script_location` is missing"),
        ("[alembic]\nscript_location = %(no_such_option)s/x", "no_such_option"),
        ("script_location = scripts", "no section headers"),
    ],
)
def test_an_invalid_ini_file_is_an_error_with_its_path(root: Path, text: str, message: str) -> None:
    write(root / "alembic.ini", text)

    with pytest.raises(ConfigurationError, match=message) as caught:
        found(root)

    assert caught.value.where == str(root / "alembic.ini")


def test_the_location_in_a_package_is_found_with_the_paths_of_the_configuration(root: Path) -> None:
    write(
        root / "src" / "shop_for_tests" / "db" / "__init__.py", "raise ImportError('it must not be imported')"
    )
    (root / "src" / "shop_for_tests" / "db" / "scripts").mkdir()
    write(
        root / "alembic.ini",
        "[alembic]",
        "script_location = shop_for_tests.db:scripts",
        "prepend_sys_path = src",
    )

    assert found(root).scripts == root / "src" / "shop_for_tests" / "db" / "scripts"


@pytest.mark.parametrize(
    "lines",
    [
        ["version_locations = a b"],
        ["version_locations = %(here)s/a, %(here)s/b"],
        ["path_separator = os", "version_locations = a:b"],
        ["version_path_separator = ;", "version_locations = a;b"],
        ["path_separator = newline", "version_locations =", "  a", "  b"],
    ],
)
def test_the_folders_with_revisions_are_read_with_each_separator(root: Path, lines: list[str]) -> None:
    write(root / "alembic.ini", "[alembic]", "script_location = scripts", *lines)

    assert found(root).versions == (root / "a", root / "b")


def test_the_folders_with_revisions_are_read_from_the_table(root: Path) -> None:
    write(
        root / "pyproject.toml",
        "[tool.alembic]",
        'script_location = "scripts"',
        'version_locations = ["a", "%(here)s/b"]',
    )

    assert found(root, ".").versions == (root / "a", root / "b")


# --- the key ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed", ["alembic.ini", "scripts/env.py", "scripts/versions/1.py", "more/1.py", "more/a/2.py"]
)
def test_the_key_depends_on_the_configuration_and_all_scripts(root: Path, changed: str) -> None:
    lines = "[alembic]", "script_location = scripts", "version_locations = scripts/versions more"
    write(root / "alembic.ini", *lines)
    before = key(root, "alembic.ini")

    write(root / changed, *lines, "# changed")

    assert key(root, "alembic.ini") == key(root, ".") != before


def test_the_key_does_not_depend_on_other_tables_and_files_of_the_project(root: Path) -> None:
    table = "[tool.alembic]", 'script_location = "%(here)s"'
    write(root / "pyproject.toml", *table)
    before = key(root, "pyproject.toml")

    write(root / "pyproject.toml", *table, "[tool.pytest.ini_options]")
    write(root / ".data-test" / "log", "a log of a service")
    same = key(root, "pyproject.toml")
    write(root / "versions" / "1.py", "revision = '1'")

    assert same == before != key(root, "pyproject.toml")
