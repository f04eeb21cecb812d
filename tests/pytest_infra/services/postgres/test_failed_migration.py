"""The error of a failed migration contains file and line, the statement and a hint."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from infra_runtime.engines.local.stack import Endpoint
from pytest_infra.isolation.migrations import Migrations
from pytest_infra.services.postgres.failed_migration import (
    MAX_LINES,
    MigrationError,
    failure,
    hint,
    migrate,
    of_exception,
)


def test_the_hint_for_a_missing_extension_names_the_extension_and_the_setting() -> None:
    text = hint('extension "postgis" is not available\nHINT:  The extension must first be installed', "maps")

    assert "has no extension postgis" in text
    assert "set `binary` in the table `[services.maps]`" in text


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ('role "app" does not exist', "--no-owner"),
        ('role "app" already exists', "rolname = 'app'"),
        ('invalid byte sequence for encoding "UTF8": 0xe4', "\\encoding LATIN1"),
        ('unrecognized configuration parameter "transaction_timeout"', "newer version"),
        ("invalid command \\restrict", "too old"),
        ("syntax error", "Correct the migration."),
    ],
)
def test_the_hint_explains_how_to_correct_the_migration(error: str, expected: str) -> None:
    assert expected in hint(error, "postgres")


def test_the_first_line_has_the_place_and_the_statement_follows() -> None:
    statement = "  create\n    tabel a ()"
    error = failure("syntax error", "postgres", where="/a.sql:3", statement=statement, details="more")

    assert str(error) == "/a.sql:3: syntax error\nStatement:\n    create\n      tabel a ()\nmore"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_long_statement_is_cut() -> None:
    text = str(failure("wrong", "postgres", statement="\n".join(map(str, range(1000)))))

    assert len(text.splitlines()) == MAX_LINES + 3


def test_the_error_of_a_function_has_the_line_of_the_user_and_the_statement_of_the_driver() -> None:
    def execute(query: str) -> None:
        raise ValueError(f"no table in {query}")

    with pytest.raises(ValueError, match="no table") as caught:
        execute("insert into a")

    error = of_exception(caught.value, "postgres")

    assert error.where.startswith(f"{__file__}:")
    assert str(error).splitlines()[0].endswith(": ValueError: no table in insert into a")
    assert "Traceback (most recent call last):" in str(error)


def test_the_error_of_a_compiled_driver_has_the_line_of_the_user() -> None:
    """The frames of asyncpg, which Cython has compiled, have relative names of files."""
    source = "def execute(query):\n    raise ValueError('no table')\n"
    module: dict[str, Any] = {}
    exec(compile(source, "asyncpg/protocol/protocol.pyx", "exec"), module)

    with pytest.raises(ValueError, match="no table") as caught:
        module["execute"]("insert into a")

    error = of_exception(caught.value, "postgres")
    assert error.where.startswith(f"{__file__}:")
    assert "insert into a" in str(error)


@pytest.mark.parametrize("end", [SystemExit("no revision"), pytest.fail.Exception("no revision")])
def test_a_function_that_ends_the_program_or_the_test_is_a_failed_migration(end: BaseException) -> None:
    def fill(_: Endpoint) -> None:
        raise end

    with pytest.raises(MigrationError, match="no revision") as caught:
        migrate(Migrations.of(fill, version="1"), Endpoint("postgres", {}, {}, "/data"))

    assert caught.value.where.startswith(f"{__file__}:")
