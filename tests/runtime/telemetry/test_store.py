"""The store: transactions, limits on rows, bytes and runs, and a disk that is full."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from infra_runtime.telemetry import store as store_module
from infra_runtime.telemetry.limits import Limits
from infra_runtime.telemetry.queries import state
from infra_runtime.telemetry.records import LogRecord, Records, Resource, Span
from infra_runtime.telemetry.store import Store, StoreUnavailableError, run_name

API = Resource("api", "{}")


def log(body: str = "text") -> LogRecord:
    return LogRecord(API, 1, 9, "", body, "", "", b"", b"", "{}")


def span(number: int, name: str = "s") -> Span:
    return Span(API, b"t" * 16, number.to_bytes(8), b"", name, "", 1, 1, 2, 0, "", "{}", "[]", "[]")


def records(*, spans: list[Span] | None = None, logs: list[LogRecord] | None = None) -> Records:
    return Records(spans or [], logs or [], [], 0, "")


def written(store: Store, *, spans: list[Span] | None = None, logs: list[LogRecord] | None = None) -> None:
    store.add(records(spans=spans, logs=logs), 100, 1)
    while store.write():
        pass


def count(store: Store, table: str) -> int:
    return int(store.read(f"SELECT count(*) AS count FROM {table}")[0]["count"])


def test_records_are_visible_after_the_transaction(tmp_path: Path) -> None:
    store = Store(tmp_path, Limits())
    store.add(records(spans=[span(1)], logs=[log()]), 100, 1)
    before = count(store, "span")

    store.write()

    assert (before, count(store, "span"), count(store, "log")) == (0, 1, 1)
    assert store.is_empty
    assert store.queued_bytes == 0
    store.close()


def test_a_span_that_is_sent_twice_is_stored_once(tmp_path: Path) -> None:
    store = Store(tmp_path, Limits())

    written(store, spans=[span(1), span(1), span(2)])

    assert count(store, "span") == 2
    store.close()


def test_the_oldest_rows_above_the_limit_are_deleted_and_counted(tmp_path: Path) -> None:
    store = Store(tmp_path, Limits(logs=10))

    written(store, logs=[log(str(number)) for number in range(store_module.TRANSACTION)])
    written(store, logs=[log("last")])

    assert [row["body"] for row in store.read("SELECT body FROM log ORDER BY seq DESC LIMIT 2")] == [
        "last",
        "499",
    ]
    assert count(store, "log") <= 10
    (dropped,) = store.read("SELECT count FROM dropped WHERE name = 'log'")
    assert dropped["count"] + count(store, "log") == store_module.TRANSACTION + 1
    store.close()


def test_the_file_of_a_run_stays_below_its_limit(tmp_path: Path) -> None:
    limit = 2**20
    store = Store(tmp_path, Limits(run_bytes=limit))

    for _ in range(20):
        written(store, logs=[log("x" * 1000)] * 500)

    store.close()
    assert store.path.stat().st_size < 3 * limit


def test_a_trace_has_at_most_as_many_spans_as_its_limit_also_after_a_kill(tmp_path: Path) -> None:
    limits = Limits(trace_spans=600)
    first = Store(tmp_path, limits)
    written(first, spans=[span(number) for number in range(1, 501)])
    first._writer.close()  # as by the kernel
    second = Store(tmp_path, limits)

    accepted = second.add(records(spans=[span(number) for number in range(501, 701)]), 100, 1)

    assert (len(accepted.spans), accepted.rejected) == (100, 100)
    while second.write():
        pass
    assert count(second, "span") == 600
    assert state(second)["rejected"] == {"spans": 100, "points": 0}
    second.close()


def test_a_flood_of_resources_leaves_a_bounded_number_of_ids_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "RESOURCES", 10)
    store = Store(tmp_path, Limits())
    logs = [log()._replace(resource=Resource(f"api-{number}", "{}")) for number in range(100)]

    written(store, logs=[*logs, *logs])

    assert len(store._resources) <= 10
    assert (count(store, "resource"), count(store, "log")) == (100, 200)
    store.close()


def test_a_full_queue_accepts_nothing_until_it_is_written(tmp_path: Path) -> None:
    store = Store(tmp_path, Limits(queue_bytes=150))
    store.add(records(logs=[log()]), 100, 1)

    with pytest.raises(StoreUnavailableError, match="100 bytes are not written yet"):
        store.add(records(logs=[log()]), 100, 1)

    store.write()
    store.add(records(logs=[log()]), 100, 1)
    store.close()


def test_records_are_refused_while_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path, Limits())
    store.add(records(logs=[log()]), 100, 1)

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(store, "_insert", full)
        assert not store.write()
        assert (store.is_empty, store.settled, store.queued_bytes) == (True, store.added, 0)
        with pytest.raises(StoreUnavailableError, match="disk is full"):
            store.add(records(logs=[log()]), 100, 1)

    assert store.write()
    written(store, logs=[log()])
    assert (store.problem, count(store, "log"), store.settled) == ("", 1, store.added)
    store.close()


def test_a_killed_receiver_continues_its_run_and_a_stopped_one_begins_another(tmp_path: Path) -> None:
    first = Store(tmp_path, Limits())
    written(first, logs=[log()])
    first._writer.close()  # as by the kernel: the run has no mark of its end
    second = Store(tmp_path, Limits())
    same = second.path == first.path
    interruptions = [state(second)["interruptions"]]
    second.close()

    third = Store(tmp_path, Limits())

    interruptions.append(state(third)["interruptions"])
    assert same
    assert interruptions == [1, 0]
    assert third.path != second.path
    assert third.read("SELECT body FROM log", run=run_name(second.path)) == [{"body": "text"}]
    third.close()


def test_a_clock_that_is_set_back_does_not_change_the_order_of_the_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter(
        ["20300101T000000", "20200101T000000", "20200101T000001", "20310101T000000", "20300101T000000"]
    )
    monkeypatch.setattr(store_module.time, "strftime", lambda _: next(times))
    created = []
    for _ in range(4):
        store = Store(tmp_path, Limits())
        created.append(store.path)
        store.close()
    interrupted = Store(tmp_path, Limits(runs=3))
    interrupted._writer.close()  # as by the kernel

    again = Store(tmp_path, Limits(runs=3))

    assert created == sorted(created)
    assert again.path == interrupted.path == again.runs()[-1]
    assert again.runs()[:-1] == created[-2:]
    again.close()


@pytest.mark.parametrize("name", ["missing", "../outside", ""])
def test_a_run_is_one_of_the_files_of_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside.sqlite3").touch()
    store = Store(tmp_path / "runs", Limits())

    if name:
        with pytest.raises(FileNotFoundError):
            store.read("SELECT 1", run=name)
    else:
        assert store.read("SELECT 1 AS one", run=name) == [{"one": 1}]
    store.close()


def test_the_files_of_old_runs_are_deleted(tmp_path: Path) -> None:
    for number in range(5):
        Store(tmp_path, Limits(runs=3)).close()
        assert number < 3 or len([*tmp_path.glob("*.sqlite3")]) == 3
    oldest = min(tmp_path.glob("*.sqlite3"))
    os.utime(oldest, (1, 1))

    store = Store(tmp_path, Limits(runs=100))

    assert oldest not in store.runs()
    store.close()


@pytest.mark.parametrize(("missing", "expected"), [(0, True), (1, False)])
def test_the_file_of_an_old_run_is_deleted_if_the_files_are_larger_than_their_limit(
    missing: int, expected: bool, tmp_path: Path
) -> None:
    old = Store(tmp_path / "runs", Limits())
    old.close()
    new = Store(tmp_path / "new", Limits())
    limit = old.path.stat().st_size + new.path.stat().st_size
    new.close()

    store = Store(tmp_path / "runs", Limits(runs_bytes=limit - missing))

    assert old.path.exists() is expected
    assert store.path != old.path
    store.close()


def test_a_damaged_file_is_not_opened_again(tmp_path: Path) -> None:
    damaged = tmp_path / "20200101T000000-0.sqlite3"
    damaged.write_bytes(b"not a database" * 1000)

    store = Store(tmp_path, Limits())

    written(store, logs=[log()])
    assert store.path != damaged
    assert count(store, "log") == 1
    store.close()


def test_files_and_folder_are_private(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs", Limits())

    assert (tmp_path / "runs").stat().st_mode & 0o077 == 0
    assert store.path.stat().st_mode & 0o077 == 0
    store.close()


def test_spans_that_were_not_stored_do_not_count_for_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path, Limits(trace_spans=3))

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    store.add(records(spans=[span(1), span(2)]), 100, 1)
    with monkeypatch.context() as patch:
        patch.setattr(store, "_insert", full)
        assert not store.write()
    assert store.write()
    written(store, spans=[span(1), span(2)])

    assert count(store, "span") == 2
    store.close()
