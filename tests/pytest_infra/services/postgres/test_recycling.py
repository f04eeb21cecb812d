"""A database that is used again is equal to a new one, or it is not used again."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.database_acts import OTHERS, ROWS
from fakes.database_image import differences, image
from fakes.recycling import OPTIONS, Recycling, random_acts
from infra_runtime.config.resolve import resolve
from infra_runtime.engines.local import engine as stacks
from infra_runtime.engines.local.stack import Stack
from pytest_infra.services.postgres import recycling, wal
from pytest_infra.services.postgres.statements import url_of

psycopg = pytest.importorskip("psycopg", reason="the minimal profile has no clients")
pytestmark = pytest.mark.real("postgres")

#: acts on rows after which a clone is made: the table has a rule, an active trigger, children, or it is large
REFUSED = ("insert several", "many rows", "rows of the large table", "statement trigger", "rule")
#: the statement of such an act fails on purpose
REJECTED = {"constraint violation", "backend killed"}


def start(folder: Path, options: str, *, version: int = 0) -> Stack:
    text = f'use = ["postgres"]\n[services.postgres]\noptions = {options}\n'
    (folder / "infra.toml").write_text(text + (f"version = {version}\n" if version else ""))
    return stacks.start("postgres", directory=folder, environment="test")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with start(tmp_path_factory.mktemp("recycling"), OPTIONS) as running:
        yield running


@pytest.fixture
def checked(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recycling]:
    """A database that is reset whenever that is possible, even after many acts that prevent it."""
    monkeypatch.setattr(recycling, "PAUSE", 0)
    executables = resolve(("postgres",), directory=stack.data.parent, environment="test").binaries
    checked_database = Recycling(stack.postgres, tmp_path, pg_dump=executables.get("pg_dump", ""))
    yield checked_database
    checked_database.close()


@pytest.fixture(scope="module")
def seeds() -> Iterator[int]:
    return itertools.count(random.randrange(1 << 30))


@pytest.mark.parametrize("part", range(2))
def test_a_reset_database_equals_a_new_one_after_random_acts(
    checked: Recycling, seeds: Iterator[int], part: int
) -> None:
    numbers = random.Random(seed := next(seeds) + part)

    for number in range(10):
        checked.round(random_acts(numbers), leave=numbers.random() < 0.2, dump=number == 9)

    assert checked.tally.differences == [], seed
    assert checked.tally.resets


def test_every_act_on_rows_is_undone(checked: Recycling) -> None:
    kinds = [kind for kind in ROWS if kind not in REFUSED]

    reset = {kind: checked.round([kind]) for kind in kinds}

    assert checked.tally.differences == []
    assert [kind for kind in kinds if not reset[kind]] == []
    assert checked.tally.rejected.keys() <= REJECTED


def test_every_other_act_is_detected(checked: Recycling) -> None:
    kinds = [*random.sample([*OTHERS], 8), *REFUSED]

    reset = [kind for kind in kinds if checked.round([kind])]

    assert reset == []
    assert checked.tally.differences == []
    assert checked.tally.rejected == {}


@pytest.mark.parametrize("act", ["update", "nextval without a record", "grant", "comment on the database"])
def test_the_comparison_finds_a_change_that_is_not_undone(stack: Stack, checked: Recycling, act: str) -> None:
    name = checked.factory.make()
    with psycopg.connect(url_of(stack.postgres, name), autocommit=True) as connection:
        before = image(connection)
        connection.execute((ROWS | OTHERS)[act])

        assert differences(before, image(connection))

    checked.factory.remove(name)


def test_a_client_with_the_old_url_cannot_reach_the_next_tests_database(
    stack: Stack, checked: Recycling
) -> None:
    old = checked.factory.make()
    leaked = psycopg.connect(url_of(stack.postgres, old), autocommit=True)
    leaked.execute("insert into a (t) values ('leaked')")

    new = checked.factory.reset(old)

    assert new is not None
    with pytest.raises(psycopg.OperationalError):
        leaked.execute("insert into a (t) values ('later')")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url_of(stack.postgres, old))
    checked.factory.remove(new)


def test_a_database_is_not_used_again_without_end(
    checked: Recycling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recycling, "MAX_RESETS", 3)

    reset = [checked.round(["insert"]) for _ in range(5)]

    assert reset == [True, True, True, False, True]


def test_after_a_removed_part_of_the_wal_a_database_is_cloned(
    checked: Recycling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wal, "MAX_BYTES", 100)

    assert not checked.round(["insert"])
    assert checked.tally.differences == []


def test_a_restart_between_the_acts_and_the_reset_is_noticed(stack: Stack, checked: Recycling) -> None:
    assert not checked.round(["insert"], between=lambda: stack.restart("postgres"))

    checked.round(["insert"])
    assert checked.round(["insert"])
    assert checked.tally.differences == []


def test_a_reset_that_fails_logs_no_warning(checked: Recycling, caplog: pytest.LogCaptureFixture) -> None:
    """It would appear in the log of the test that is running."""
    assert not checked.round(["prepared transaction"])

    assert caplog.records == []


def test_a_restored_snapshot_between_the_acts_and_the_reset_is_noticed(
    stack: Stack, checked: Recycling
) -> None:
    stack.snapshot()

    assert not checked.round(["insert"], between=stack.restore)

    checked.round(["update"])
    assert checked.tally.differences == []


def test_suites_that_change_the_schema_do_not_pay_for_attempts(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[str] = []
    checked = Recycling(stack.postgres, tmp_path)
    original = recycling.Recycler.reset
    monkeypatch.setattr(
        recycling.Recycler, "reset", lambda self, *a: (attempts.append("attempt"), original(self, *a))
    )

    for _ in range(12):
        checked.round(["create table"])
    checked.close()

    assert len(attempts) <= recycling.FAILURES


def test_two_processes_do_not_disturb_each_other(stack: Stack, checked: Recycling, tmp_path: Path) -> None:
    other = Recycling(stack.postgres, tmp_path / "other")

    for act in ("insert", "update", "create table", "nextval", "delete"):
        checked.round([act], between=lambda act=act: other.round([act]))
    other.close()

    assert checked.tally.differences + other.tally.differences == []
    assert checked.tally.resets >= 4
    assert other.tally.resets >= 3


def test_unlogged_changes_are_not_possible_with_a_minimal_wal(tmp_path: Path) -> None:
    with start(tmp_path, '{ wal_level = "minimal", max_wal_senders = "0" }') as stack:
        checked = Recycling(stack.postgres, tmp_path)

        reset = [checked.round(["insert"]), checked.round(["create and copy"])]

        checked.close()
    assert reset == [False, False]
    assert checked.tally.differences == []


@pytest.mark.real("postgres", version=17)
def test_postgresql_17_resets_what_it_reads_in_its_wal(tmp_path: Path) -> None:
    acts = ("insert", "update", "delete", "nextval", "setval", "create table", "drop column")
    with start(tmp_path, OPTIONS, version=17) as stack:
        checked = Recycling(stack.postgres, tmp_path)

        for act in acts:
            checked.round([act])

        checked.close()
    assert checked.tally.differences == []
    assert checked.tally.resets >= 4


@pytest.mark.real("postgres", version=15)
def test_postgresql_15_cannot_read_its_wal_so_each_database_is_a_clone(tmp_path: Path) -> None:
    acts = ("insert", "update", "nextval", "setval", "truncate with identity", "create table", "drop column")
    with start(tmp_path, OPTIONS, version=15) as stack:
        checked = Recycling(stack.postgres, tmp_path)

        reset = [checked.round([act]) for act in (*acts, *random.sample([*ROWS, *OTHERS], 3))]

        checked.close()
    assert reset == [False] * 10
    assert checked.tally.differences == []
