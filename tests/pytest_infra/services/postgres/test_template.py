"""A template is made once: its strategy is remembered, and a failed migration is recorded beside it."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from infra_runtime.engines.local.stack import Stack
from pytest_infra.services.postgres import template
from pytest_infra.services.postgres.failed_migration import MigrationError
from pytest_infra.services.postgres.statements import url_of

psycopg = pytest.importorskip("psycopg", reason="the minimal profile has no clients")
pytestmark = pytest.mark.real("postgres")

_numbers = itertools.count(1)


@pytest.fixture
def name() -> str:
    return f"{template.TEMPLATE}made_{next(_numbers)}"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file with the measured strategies, which does not exist yet."""
    monkeypatch.setattr(template, "cache_folder", lambda: tmp_path)
    return tmp_path / template.CACHE


def test_the_fastest_strategy_is_measured_once_for_a_disk_and_version(
    migrated: Stack, cache: Path, name: str
) -> None:
    measured = template.ensure(migrated.postgres, name, lambda _: None)
    stored = json.loads(cache.read_text())
    (key,) = stored
    other = next(strategy for strategy in template.STRATEGIES if strategy != measured)
    cache.write_text(json.dumps({key: other}))

    remembered = template.ensure(migrated.postgres, f"{name}_second", lambda _: None)

    assert stored == {key: measured}
    assert key.split()[1] == str(migrated.postgres.data.stat().st_dev)
    assert remembered == other


def test_a_copy_of_files_does_not_share_blocks_after_another_strategy_of_the_session(migrated: Stack) -> None:
    setting, _, oldest = template.STRATEGIES["clone"]
    with psycopg.connect(url_of(migrated.postgres), autocommit=True) as connection:
        if connection.info.server_version // 10_000 >= oldest:
            connection.execute(setting)

        connection.execute(template.STRATEGIES["file_copy"][0])

        method = connection.execute("select current_setting('file_copy_method', true)").fetchone()
    assert method in (("copy",), (None,))


@pytest.mark.parametrize("text", ["", "[]", '{"180000 1": 7}', "{"])
def test_an_invalid_file_with_strategies_is_ignored(
    migrated: Stack, cache: Path, name: str, text: str
) -> None:
    cache.write_text(text)

    assert template.ensure(migrated.postgres, name, lambda _: None) in template.STRATEGIES


def test_a_failed_migration_is_not_run_again_in_the_run(
    migrated: Stack, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def fail(database: str) -> None:
        calls.append(database)
        raise MigrationError("wrong", "a.sql:1", "a hint")

    errors = []
    for run in ("first", "first", "second"):
        monkeypatch.setattr(template, "run_id", lambda run=run: run)
        monkeypatch.setattr(template, "running_test", lambda run=run: f"test_{run}")
        with pytest.raises(MigrationError) as caught:
            template.ensure(migrated.postgres, name, fail)
        errors.append(caught.value)

    assert len(calls) == 2
    assert [error.reported_by for error in errors] == ["", "test_first", ""]
    assert {(str(error), error.hint) for error in errors} == {("a.sql:1: wrong", "a hint")}


def test_a_corrected_migration_makes_the_template_in_the_next_run(
    migrated: Stack, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(database: str) -> None:
        with psycopg.connect(url_of(migrated.postgres, database)) as connection:
            connection.execute("create table half ()")
        raise MigrationError("wrong")

    with pytest.raises(MigrationError):
        template.ensure(migrated.postgres, name, fail)
    monkeypatch.setattr(template, "run_id", lambda: "another run")

    assert template.ensure(migrated.postgres, name, lambda _: None) in template.STRATEGIES
