"""`infra cache`: the output and the exit codes of list, verify and clean."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from fakes.command_line import CommandLine
from infra_cli.commands.cache.list import size
from infra_runtime.data_directory import seed_cache
from infra_runtime.host import file_lock


@pytest.fixture
def cache(shop: CommandLine, tmp_path: Path) -> Path:
    """The folder of the seeds, with two seeds."""
    shop.environ["INFRA_CACHE"] = str(tmp_path / "cache")
    folder = tmp_path / "cache" / "seeds"
    for age, name in enumerate(["new", "old"]):
        (folder / name).mkdir(parents=True)
        (folder / name / "file").write_bytes(bytes(28_300_000 if name == "new" else 12))
        seed_cache.stamp(str(folder / name))
        used = time.time() - age * 3 * 86400
        os.utime(folder / f"{name}.json", (used, used))
    return folder


def test_the_list_shows_sizes_ages_and_states(shop: CommandLine, cache: Path) -> None:
    (cache / "old" / "more").touch()

    head, columns, old, new = shop("cache", "list").out.splitlines()

    assert head == f"{cache}: 28.3 MB"
    assert columns.split() == ["SEED", "SIZE", "FILES", "UNUSED", "FOR", "STATE"]
    assert old.split() == ["old", "12", "B", "2", "3", "d", "damaged"]
    assert (new.split()[:4], new.split()[-1]) == (["new", "28.3", "MB", "1"], "ok")


def test_the_list_as_json_has_the_same_values(shop: CommandLine, cache: Path) -> None:
    document = shop("cache", "list", "--json").json

    assert document["folder"] == str(cache)
    assert [(seed["name"], seed["bytes"], seed["files"], seed["state"]) for seed in document["seeds"]] == [
        ("old", 12, 1, "ok"),
        ("new", 28_300_000, 1, "ok"),
    ]
    assert document["seeds"][0]["used"] < document["seeds"][1]["used"]


def test_verify_reads_the_content_and_fails_for_a_damaged_seed(shop: CommandLine, cache: Path) -> None:
    assert shop("cache", "verify").out == "seeds: 2 intact, 0 damaged\n"
    before = (cache / "old" / "file").stat()
    (cache / "old" / "file").write_bytes(b"x" * 12)
    os.utime(cache / "old" / "file", ns=(before.st_atime_ns, before.st_mtime_ns))

    answer = shop("cache", "verify")
    as_json = shop("cache", "verify", "--json")

    assert answer.code == as_json.code == 1
    assert answer.out == f"{cache}/old: the content of a file has changed\nseeds: 1 intact, 1 damaged\n"
    assert [seed["state"] for seed in as_json.json["seeds"]] == ["damaged", "ok"]
    assert shop("cache", "clean", "--damaged").out == "removed  old  12 B\nseeds: 1 removed, 12 B freed\n"
    assert shop("cache", "verify").code == 0


def test_clean_removes_all_seeds_but_those_in_use(shop: CommandLine, cache: Path) -> None:
    descriptor = file_lock.acquire(f"{cache}/new.lock", shared=True)

    answer = shop("cache", "clean", "--json")

    assert answer.code == 0
    assert [seed["name"] for seed in answer.json["seeds"]] == ["old"]
    assert [seed["name"] for seed in answer.json["in_use"]] == ["new"]
    assert "in use   new" in shop("cache", "clean").out
    os.close(descriptor)
    assert "seeds: 1 removed, 28.3 MB freed" in shop("cache", "clean").out
    assert list(cache.iterdir()) == []


def test_clean_removes_the_named_seeds_only(shop: CommandLine, cache: Path) -> None:
    assert shop("cache", "clean", "new").code == 0

    assert sorted(path.name for path in cache.iterdir()) == ["old", "old.json"]


def test_an_unknown_seed_is_a_usage_error(shop: CommandLine, cache: Path) -> None:
    answer = shop("cache", "clean", "nwe")

    assert answer.code == 2
    assert "unknown seeds: nwe" in answer.err
    assert (cache / "new").exists()


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (28_282_584, "28.3 MB"), (2**31, "2.1 GB")],
)
def test_sizes_have_a_suitable_unit(number: int, text: str) -> None:
    assert size(number) == text
