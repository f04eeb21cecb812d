"""The messages of the inbox: limits, searching, waiting, and what a restart finds."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from infra_runtime.inbox.store import Query, Store, Summary


def store_in(folder: Path, **options: Any) -> Store:
    """Return a store that has read its folder; each message is received a second after the one before."""
    seconds = itertools.count(1000.0)
    store = Store(
        folder, **{"max_messages": 100, "max_bytes": 10_000, "clock": lambda: next(seconds), **options}
    )
    store.load()
    return store


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


async def add(store: Store, subject: str = "", **envelope: Any) -> Summary:
    raw = f"Subject: {subject}\r\nFrom: Shop <shop@example.test>\r\n\r\ntext".encode()
    return await store.add(raw, **{"sender": "a@example.test", "recipients": ["b@example.test"], **envelope})


def subjects(store: Store, **query: Any) -> list[str]:
    return [message.subject for message in store.search(Query(**query))]


def test_a_message_is_found_by_recipient_sender_and_subject(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    run(add(store, "Welcome", recipients=["Anna@x.test", "c@y.test"]))
    run(add(store, "Invoice", sender="billing@example.test"))

    assert subjects(store, to="anna@") == subjects(store, to="C@Y") == ["Welcome"]
    assert subjects(store, sender="BILLING") == ["Invoice"]
    assert subjects(store, sender="shop@") == ["Welcome", "Invoice"]
    assert subjects(store, subject="voice") == ["Invoice"]
    assert subjects(store, subject="voice", to="anna") == []


def test_the_messages_of_a_unit_have_its_domain_or_its_login(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    for subject, envelope in {
        "domain": {"recipients": ["x@unit-1.test"]},
        "upper case": {"recipients": ["X@UNIT-1.TEST"]},
        "login": {"login": "unit-1"},
        "longer domain": {"recipients": ["x@unit-11.test"]},
        "other top level": {"recipients": ["x@unit-1.test.org"]},
        "other login": {"login": "unit-11"},
    }.items():
        run(add(store, subject, **envelope))

    assert subjects(store, unit="unit-1") == ["domain", "upper case", "login"]


def test_the_oldest_messages_are_dropped_and_counted(tmp_path: Path) -> None:
    store = store_in(tmp_path, max_messages=2)
    for number in range(5):
        run(add(store, str(number)))

    assert subjects(store) == ["3", "4"]
    assert store.dropped == 3
    assert len(list(tmp_path.iterdir())) == 2


def test_the_bytes_of_all_messages_are_limited_but_the_newest_is_kept(tmp_path: Path) -> None:
    store = store_in(tmp_path, max_bytes=110)
    for number in range(3):
        run(add(store, str(number)))
    assert subjects(store) == ["1", "2"]

    run(store.add(b"x" * 1000, sender="", recipients=["b@example.test"]))

    assert [message.size for message in store.search(Query())] == [1000]
    assert store.dropped == 3


def test_a_restarted_server_has_the_messages_and_continues_with_greater_ids(tmp_path: Path) -> None:
    first = store_in(tmp_path)
    run(add(first, "Grüße", login="user"))
    last = run(add(first, "later"))
    first.delete([last])

    second = store_in(tmp_path, clock=lambda: 2000.0)

    assert second.search(Query()) == first.search(Query())
    assert second.raw(second.search(Query())[0].id).endswith(b"\r\n\r\ntext")
    assert run(add(second)).id > last.id


def test_the_order_after_a_restart_is_the_order_of_the_ids(tmp_path: Path) -> None:
    first = store_in(tmp_path, clock=lambda: 0.0)
    for number in range(12):
        run(add(first, str(number)))

    assert subjects(store_in(tmp_path)) == [str(number) for number in range(12)]


def test_a_file_that_a_killed_server_has_not_completed_is_removed(tmp_path: Path) -> None:
    (tmp_path / "2.new").write_bytes(b"x")

    assert len(store_in(tmp_path)) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", [b"", b"{", b'{"id": 1}\n', b"[]\n", b"\xff\n"])
def test_a_file_that_is_not_a_message_is_ignored_and_stays(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "1.message").write_bytes(text)
    (tmp_path / "folder.new").mkdir()

    assert len(store_in(tmp_path)) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.message", "folder.new"]


def test_a_message_that_cannot_be_written_is_not_in_the_inbox(tmp_path: Path) -> None:
    store = store_in(tmp_path / "messages")
    (tmp_path / "messages").rmdir()

    with pytest.raises(FileNotFoundError):
        run(add(store))

    assert len(store) == 0


def test_ids_increase_when_the_clock_goes_back(tmp_path: Path) -> None:
    times = iter([50.0, 10.0, 10.0])
    store = store_in(tmp_path, clock=lambda: next(times))

    assert [run(add(store)).id for _ in range(3)] == [50_000, 50_001, 50_002]


def test_waiting_ends_when_a_matching_message_arrives(tmp_path: Path) -> None:
    store = store_in(tmp_path)

    async def wait() -> list[Summary]:
        waiting = asyncio.create_task(store.wait(Query(subject="second"), 60.0))
        await add(store, "first")
        await add(store, "second")
        return await waiting

    assert [message.subject for message in run(wait())] == ["second"]


def test_waiting_ends_without_a_message_at_its_time_limit(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    message = run(add(store))

    assert run(store.wait(Query(after=message.id), 0.01)) == []


def test_messages_that_arrive_together_have_increasing_ids_when_they_become_visible(tmp_path: Path) -> None:
    store = store_in(tmp_path)

    async def together() -> None:
        await asyncio.gather(*(add(store, str(number)) for number in range(20)))

    run(together())

    ids = [message.id for message in store.search(Query())]
    assert ids == sorted(set(ids))
    assert len(ids) == 20


def test_deleting_counts_only_messages_that_exist(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    messages = [run(add(store)) for _ in range(2)]

    assert store.delete(messages) == 2
    assert store.delete(messages) == 0
    with pytest.raises(FileNotFoundError):
        store.raw(messages[0].id)


@pytest.mark.parametrize("durable", [True, False])
def test_only_the_owner_can_read_the_messages(tmp_path: Path, durable: bool) -> None:
    folder = tmp_path / "messages"

    run(add(store_in(folder, durable=durable)))

    assert folder.stat().st_mode & 0o777 == 0o700
