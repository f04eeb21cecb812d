from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fakes.clock import Clock
from infra_runtime.web import context
from infra_runtime.web.audit import MAX_ENTRY, ORIGIN, AuditError, AuditLog, Head, digest, verify

KEY = "the key of the audit log"


@pytest.fixture(params=["", KEY], ids=["without a key", "with a key"])
def key(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def path(tmp_path: Path, key: str) -> Path:
    """An audit log with five entries."""
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path, key=key, clock=Clock(1_800_000_000.0))
    for number in range(1, 6):
        log.append("order.placed", actor="ada", order=number)
    return path


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines(keepends=True)


def wrong_line(path: Path, key: str, **options: str) -> tuple[int, str]:
    with pytest.raises(AuditError) as caught:
        verify(path, key=key, **options)
    assert f"line {caught.value.line}: " in str(caught.value)
    return caught.value.line, str(caught.value)


def test_an_unchanged_log_is_verified(path: Path, key: str) -> None:
    assert verify(path, key=key).entries == 5


def test_an_entry_has_its_fields(path: Path) -> None:
    entry = json.loads(lines_of(path)[1])

    assert (entry["number"], entry["actor"], entry["action"]) == (2, "ada", "order.placed")
    assert entry["details"] == {"order": 2}
    assert entry["time"] == "2027-01-15T08:00:00.000000+00:00"


def test_an_entry_has_the_id_of_its_request(path: Path, key: str) -> None:
    token = context.request_id.set("r-1")
    try:
        asyncio.run(AuditLog(path, key=key).record("order.placed"))
    finally:
        context.request_id.reset(token)

    assert json.loads(lines_of(path)[5])["request"] == "r-1"
    assert verify(path, key=key).entries == 6


# --- changed logs ----------------------------------------------------------------------------------

#: what an attacker does with the lines → the number of the first wrong line
CHANGES: dict[str, tuple[Callable[[list[str]], list[str]], int]] = {
    "edited": (lambda lines: [*lines[:2], lines[2].replace("ada", "eve"), *lines[3:]], 3),
    "the first line edited": (lambda lines: [lines[0].replace("ada", "eve"), *lines[1:]], 1),
    "the last line edited": (lambda lines: [*lines[:4], lines[4].replace("ada", "eve")], 5),
    "two lines exchanged": (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], 2),
    "a line removed": (lambda lines: [*lines[:2], *lines[3:]], 3),
    "the first line removed": (lambda lines: lines[1:], 1),
    "a line repeated": (lambda lines: [*lines[:3], *lines[2:]], 4),
    "the last line removed": (lambda lines: lines[:4], 5),
    "all lines removed": (lambda _: [], 1),
    "the end of a line removed": (lambda lines: [*lines[:4], lines[4][:-1]], 5),
    "the end of the file removed": (lambda lines: [*lines[:4], lines[4][:20]], 5),
    "a line without JSON": (lambda lines: [*lines[:1], "hello\n", *lines[1:]], 2),
    "an empty line": (lambda lines: [*lines[:1], "\n", *lines[1:]], 2),
    "a line with other JSON": (lambda lines: [*lines[:1], "[1]\n", *lines[1:]], 2),
    "deeply nested JSON": (lambda lines: [*lines[:1], "[" * 50_000 + "\n", *lines[1:]], 2),
    "a very long line": (lambda lines: [*lines[:1], " " * 1_000_000 + "\n", *lines[1:]], 2),
    "a line of another log": (lambda lines: [*lines[:4], lines[4], lines[0]], 6),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_first_wrong_line_of_a_changed_log_is_named(path: Path, key: str, change: str) -> None:
    edit, number = CHANGES[change]
    path.write_text("".join(edit(lines_of(path))), encoding="utf-8")

    assert wrong_line(path, key)[0] == number


def test_the_error_contains_the_number_of_an_entry_at_a_wrong_place(path: Path, key: str) -> None:
    lines = lines_of(path)
    path.write_text("".join([*lines[:2], *lines[3:]]), encoding="utf-8")

    assert "the entry has the number 4" in wrong_line(path, key)[1]


def forged(line: str, **changes: object) -> str:
    """Return an entry with changes and the hash that belongs to it, as a program without the key can do."""
    fields = {**json.loads(line), **changes}
    del fields["hash"]
    return json.dumps({**fields, "hash": digest(fields, b"")}) + "\n"


@pytest.mark.parametrize(("number", "named"), [(3, 4), (5, 5)])
def test_an_edited_entry_with_a_new_hash_is_found(tmp_path: Path, number: int, named: int) -> None:
    """Without a key, the next entry or the file `.head` shows the change."""
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path)
    for order in range(5):
        log.append("order.placed", order=order)
    lines = lines_of(path)
    lines[number - 1] = forged(lines[number - 1], actor="eve")
    path.write_text("".join(lines), encoding="utf-8")

    assert wrong_line(path, "")[0] == named


def test_with_a_key_an_appended_entry_cannot_be_forged(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    head = AuditLog(path, key=KEY).append("order.placed")
    (line,) = lines_of(path)
    path.write_text(line + forged(line, number=2, previous=head.hash), encoding="utf-8")

    assert wrong_line(path, KEY)[0] == 2


def test_another_key_finds_the_first_line(path: Path, key: str) -> None:
    assert wrong_line(path, "another key of the log")[0] == 1


def test_a_log_whose_head_is_missing_is_an_error(path: Path, key: str) -> None:
    path.with_name("audit.jsonl.head").unlink()

    line, text = wrong_line(path, key)

    assert line == 6
    assert "audit.jsonl.head is missing" in text


@pytest.mark.parametrize(
    "text",
    ["", "x", "5", "5 abc", "-1 a b", "٣ a b", "² a b", "9" * 5_000 + " a b", "5 a ü", "5 a b\udcff\0"],
)
def test_a_damaged_head_is_found(path: Path, key: str, text: str) -> None:
    path.with_name("audit.jsonl.head").write_bytes(text.encode(errors="surrogateescape"))

    assert "audit.jsonl.head" in wrong_line(path, key)[1]


@pytest.mark.parametrize("kept", [0, 1, 4])
@pytest.mark.parametrize("seal", ["", "without a key", "of the old head"])
def test_with_a_key_a_program_without_it_cannot_shorten_the_log_and_its_head(
    tmp_path: Path, kept: int, seal: str
) -> None:
    path, head_path = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.head"
    log = AuditLog(path, key=KEY)
    heads = [Head(entries=0, hash=ORIGIN), *(log.append("order.placed", order=order) for order in range(5))]
    old = head_path.read_text(encoding="utf-8").split()[2]
    forged = digest({"entries": kept, "hash": heads[kept].hash}, b"")
    path.write_text("".join(lines_of(path)[:kept]), encoding="utf-8")

    text = f"{kept} {heads[kept].hash} {({'': '', 'without a key': forged}).get(seal, old)}"
    head_path.write_text(text, encoding="utf-8")

    assert "audit.jsonl.head" in wrong_line(path, KEY)[1]
    with pytest.raises(AuditError, match=r"audit\.jsonl\.head"):
        AuditLog(path, key=KEY).append("order.placed")


def test_a_hash_that_was_stored_elsewhere_detects_a_replaced_log(path: Path, key: str) -> None:
    stored = verify(path, key=key).hash
    AuditLog(path, key=key).append("order.placed")
    assert verify(path, key=key, head=stored).entries == 6

    path.unlink()
    path.with_name("audit.jsonl.head").unlink()
    AuditLog(path, key=key).append("order.placed", actor="eve")

    assert stored in wrong_line(path, key, head=stored)[1]


# --- writing ---------------------------------------------------------------------------------------


def test_an_entry_of_a_crashed_process_is_removed_before_the_next_one(path: Path, key: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write('{"number": 6, "time"')

    assert AuditLog(path, key=key).append("order.placed").entries == 6
    assert verify(path, key=key).entries == 6


def test_a_log_whose_head_is_one_entry_behind_is_continued(path: Path, key: str) -> None:
    """The process crashed after it had written the entry."""
    head = path.with_name("audit.jsonl.head")
    old = head.read_text(encoding="utf-8")
    AuditLog(path, key=key).append("order.placed")
    head.write_text(old, encoding="utf-8")

    assert verify(path, key=key).entries == 6
    assert AuditLog(path, key=key).append("order.placed").entries == 7
    assert verify(path, key=key).entries == 7


@pytest.mark.parametrize("kept", [0, 4])
def test_a_truncated_log_is_not_continued(path: Path, key: str, kept: int) -> None:
    path.write_text("".join(lines_of(path)[:kept]), encoding="utf-8")

    with pytest.raises(AuditError, match=f"line {kept + 1}:"):
        AuditLog(path, key=key).append("order.placed")


@pytest.mark.parametrize(
    ("damage", "number"),
    [
        (lambda path: path.with_name("audit.jsonl.head").unlink(), 6),
        (lambda path: path.with_name("audit.jsonl.head").write_text(f"5 {'a' * 64}\n"), 1),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), 5),
        (lambda path: path.write_bytes(path.read_bytes() + b"x" * 4 * MAX_ENTRY), 5),
        (lambda path: path.write_bytes(path.read_bytes() + b"[1]\n"), 5),
    ],
)
def test_a_changed_log_is_not_continued_and_stays_as_it_is(
    path: Path, key: str, damage: Callable[[Path], object], number: int
) -> None:
    damage(path)
    before = path.read_bytes()

    with pytest.raises(AuditError, match=f"line {number}:"):
        AuditLog(path, key=key).append("order.placed")

    assert path.read_bytes() == before


def test_a_log_that_is_truncated_while_it_is_open_is_not_continued(path: Path, key: str) -> None:
    log = AuditLog(path, key=key)
    log.append("order.placed")
    path.write_text("".join(lines_of(path)[:3]), encoding="utf-8")

    with pytest.raises(AuditError, match="line 4:"):
        log.append("order.placed")


def test_several_writers_write_one_chain(tmp_path: Path, key: str) -> None:
    path = tmp_path / "audit.jsonl"
    logs = [AuditLog(path, key=key) for _ in range(4)]

    def write(log: AuditLog) -> list[Head]:
        heads = []
        for _ in range(10):
            heads.append(log.append("order.placed"))
            assert verify(path, key=key).entries >= heads[-1].entries
        return heads

    with ThreadPoolExecutor(4) as threads:
        heads = [head for heads in threads.map(write, logs) for head in heads]

    assert verify(path, key=key).entries == 40
    assert {head.entries for head in heads} == set(range(1, 41))


def test_a_line_break_in_a_value_does_not_start_an_entry(path: Path, key: str) -> None:
    AuditLog(path, key=key).append("a\nb", actor="x\r\n", note={"y\u2028": ["\n", Path("/x")]})

    assert len(path.read_bytes().split(b"\n")) == 7
    assert verify(path, key=key).entries == 6


def test_a_huge_entry_is_refused_and_the_log_stays_valid(path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="bytes"):
        AuditLog(path, key=key).append("order.placed", note="x" * MAX_ENTRY)

    assert verify(path, key=key).entries == 5


def test_only_the_owner_can_read_the_log(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
